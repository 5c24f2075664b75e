import { performance } from "node:perf_hooks";
import { request } from "undici";
import type { BaseUrl } from "./address.ts";
import { errorCode } from "../http/errors.ts";

/** What a list answer was like. */
export interface Probe {
  readonly status: number;
  /** From the first byte sent to the last one read. */
  readonly ms: number;
  /** Undefined where it has none of Keylane's. */
  readonly cacheStatus: string | undefined;
  /** Undefined where the body is no list. */
  readonly rows: readonly Row[] | undefined;
  /** What an error says of itself, without the key. */
  readonly message: string | undefined;
}

export type Row = Readonly<Record<string, unknown>>;

/** What was found out about an address and a key. `failure` is the runtime's code where nothing answered. */
export interface Probes {
  readonly first: Probe | { readonly failure: string };
  /** The same question again; only asked of a Keylane, and where the first was answered with a list. */
  readonly second?: Probe;
  /** The personalized list, which alone shows that NanoGPT knows the key; `first` where that is it already. */
  readonly personalized?: Probe;
}

const TIMEOUT_MS = 20_000;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_MESSAGE_LENGTH = 500;
const LIST = /\/(?:personalized|subscription|paid)(?=\/v1\w*$)/;

/** Asks for the list of a key, and again. NanoGPT is asked once or twice. */
export async function runProbes({ origin, base }: BaseUrl, key: string): Promise<Probes> {
  const plain = `${origin}${base}/models`;
  const personalizedUrl = `${origin}${base.replace(LIST, "").replace(/\/v1\w*$/, "/personalized$&")}/models`;
  try {
    const first = await probe(plain, key);
    if (first.rows === undefined) return { first };
    const second = first.cacheStatus === undefined ? {} : { second: await probe(plain, key) };
    const personalized = plain === personalizedUrl ? first : await probe(personalizedUrl, key);
    return { first, ...second, personalized };
  } catch (fault) {
    return { first: { failure: errorCode(fault) } };
  }
}

async function probe(url: string, key: string): Promise<Probe> {
  const startedAt = performance.now();
  const { statusCode, headers, body } = await request(url, {
    headers: { authorization: `Bearer ${key}`, accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const json = parsed(await textOf(body));
  const ms = performance.now() - startedAt;
  const cacheStatus = String(headers["cache-status"] ?? "");
  return {
    status: statusCode,
    ms,
    cacheStatus: /^keylane;[\w\s;=-]{1,100}$/.test(cacheStatus) ? cacheStatus : undefined,
    rows:
      statusCode === 200 && isRow(json) && Array.isArray(json["data"])
        ? json["data"].filter(isRow)
        : undefined,
    message: messageOf(json, key),
  };
}

/** Says of a body larger than any list only that it is none. */
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

// Whoever answers may say anything: no control characters for the terminal, and no key.
function messageOf(json: unknown, key: string): string | undefined {
  if (!isRow(json)) return undefined;
  const { error = json } = json;
  const message = isRow(error) ? error["message"] : error;
  if (typeof message !== "string" || message === "") return undefined;
  return message
    .replaceAll(key, "[key]")
    .replaceAll(/\p{C}+/gu, " ")
    .slice(0, MAX_MESSAGE_LENGTH);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
