import { performance } from "node:perf_hooks";
import { request } from "undici";
import { errorCode } from "../http/errors.ts";
import { isJsonObject, parseJson, type JsonObject } from "../http/json.ts";
import { personalizedBase, type BaseUrl } from "./address.ts";

/** A response to a list request. */
export interface Probe {
  readonly status: number;
  /** From the first byte sent to the last one read. */
  readonly ms: number;
  /** Undefined unless Keylane sent it. */
  readonly cacheStatus: string | undefined;
  /** Undefined where the body is not a list. */
  readonly rows: readonly JsonObject[] | undefined;
  /** The message of an error response, with the key removed. */
  readonly message: string | undefined;
}

/** The responses that one key got at one address. `failure` is the runtime's error code where nothing answered. */
export interface Probes {
  readonly first: Probe | { readonly failure: string };
  /** The same request again; sent only if the first response was a list from Keylane. */
  readonly second?: Probe;
  /** The personalized list, the only one for which NanoGPT checks the key; `first` itself where that requested it. */
  readonly personalized?: Probe;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_MESSAGE_LENGTH = 500;

/** Requests a key's list twice, and its personalized list. NanoGPT receives one or two of these requests. */
export async function runProbes({ origin, base }: BaseUrl, key: string): Promise<Probes> {
  const listUrl = `${origin}${base}/models`;
  const personalizedUrl = `${origin}${personalizedBase(base)}/models`;
  try {
    const first = await probe(listUrl, key);
    if (first.rows === undefined) return { first };
    const second = first.cacheStatus === undefined ? {} : { second: await probe(listUrl, key) };
    const personalized = listUrl === personalizedUrl ? first : await probe(personalizedUrl, key);
    return { first, ...second, personalized };
  } catch (error) {
    return { first: { failure: errorCode(error) } };
  }
}

async function probe(url: string, key: string): Promise<Probe> {
  const startedAt = performance.now();
  const { statusCode, headers, body } = await request(url, {
    headers: { authorization: `Bearer ${key}`, accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const json = parseJson(await textOf(body));
  const ms = performance.now() - startedAt;
  const cacheStatus = String(headers["cache-status"] ?? "");
  return {
    status: statusCode,
    ms,
    cacheStatus: /^keylane;[\w\s;=-]{1,100}$/.test(cacheStatus) ? cacheStatus : undefined,
    rows:
      statusCode === 200 && isJsonObject(json) && Array.isArray(json["data"])
        ? json["data"].filter(isJsonObject)
        : undefined,
    message: messageOf(json, key),
  };
}

/** The body as text; empty for one larger than any list. */
async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) return "";
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

// The server may send anything: neither control characters nor the key may reach the terminal.
function messageOf(json: unknown, key: string): string | undefined {
  if (!isJsonObject(json)) return undefined;
  const { error = json } = json;
  const message = isJsonObject(error) ? error["message"] : error;
  if (typeof message !== "string" || message === "") return undefined;
  return message
    .replaceAll(key, "[key]")
    .replaceAll(/\p{C}+/gu, " ")
    .slice(0, MAX_MESSAGE_LENGTH);
}
