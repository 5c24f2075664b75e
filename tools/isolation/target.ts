import { Agent, Client, type Dispatcher } from "undici";
import { parseAnswer, type Answer } from "./response.ts";
import type { Arguments } from "./arguments.ts";

export type KeyName = "A" | "B";
export const KEY_NAMES: readonly KeyName[] = ["A", "B"];

/** The running instance under test. */
export interface Target {
  /** Sends a request with one of the two keys (by default GET `/models`, as Bearer). */
  readonly send: (name: KeyName, request?: TargetRequest & { readonly as?: "bearer" | "x-api-key" }) => Promise<Answer>;
  /** Sends a request with any other credential, or none. */
  readonly sendAs: (credential: HeaderFields, request?: TargetRequest) => Promise<Answer>;
  readonly traffic: () => Traffic;
  readonly close: () => Promise<void>;
}

export type HeaderFields = Readonly<Record<string, string>>;

export interface TargetRequest {
  readonly method?: "GET" | "HEAD" | "DELETE";
  /** The path after the base URL. */
  readonly path?: string;
  readonly headers?: HeaderFields;
  /** Whether Keylane may ask NanoGPT: without it the request says `only-if-cached`, and costs the key nothing. */
  readonly mayFetch?: boolean;
  /** Sends it on one connection with others, before the first of them is answered. */
  readonly isPipelined?: boolean;
  /** The part of the request that an error may quote. */
  readonly quotable?: string;
  /** Whether NanoGPT itself may answer, with a list that it gives to everyone. */
  readonly isPassedThrough?: boolean;
}

/** All requests and responses of a run. */
export interface Traffic {
  readonly requests: number;
  /** The most requests to NanoGPT that Keylane can have made with each key. */
  readonly upstream: Readonly<Record<KeyName, number>>;
  /** Each distinct header line and body. */
  readonly received: readonly Received[];
}

export interface Received {
  /** The key of the request; undefined for any other credential. */
  readonly sentWith: KeyName | undefined;
  readonly text: string;
  /** False where the text may come from NanoGPT itself. */
  readonly mayContainRows: boolean;
}

// Odd, so that each connection serves both keys, which are sent in turn.
const CONNECTIONS = 11;
const PIPELINED = 8;
// The time limit of the whole run, as a multiple of that of one request.
const RUN_TIMEOUT_FACTOR = 8;

/** Creates a client for an instance; it connects on its first request. */
export function createTarget({ origin, base, keys, timeoutMs }: Arguments): Target {
  const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connectTimeout: timeoutMs };
  const agent = new Agent({ ...timeouts, connections: CONNECTIONS });
  const pipeline = new Client(origin, { ...timeouts, pipelining: PIPELINED, allowH2: false });
  const runSignal = AbortSignal.timeout(timeoutMs * RUN_TIMEOUT_FACTOR);
  const received = new Map<string, Received>();
  const upstream = { A: 0, B: 0 };
  let requests = 0;

  async function send(
    sentWith: KeyName | undefined,
    credential: HeaderFields,
    request: TargetRequest,
  ): Promise<Answer> {
    const { method = "GET", path = "/models", mayFetch = false, isPipelined = false } = request;
    const headers = {
      "accept-encoding": "identity",
      ...(mayFetch || method === "DELETE" ? {} : { "cache-control": "only-if-cached" }),
      ...credential,
      ...request.headers,
    };
    const dispatcher: Dispatcher = isPipelined ? pipeline : agent;
    const signal = AbortSignal.any([runSignal, AbortSignal.timeout(timeoutMs)]);
    requests++;
    const isCounted = mayFetch && method !== "DELETE";
    // Counted before the response arrives: a request that fails may have reached NanoGPT too.
    const countedKeys = KEY_NAMES.filter((name) => isCounted && JSON.stringify([path, headers]).includes(keys[name]));
    for (const name of countedKeys) upstream[name]++;
    // undici pipelines only requests that are marked as non-blocking.
    const blocking = !isPipelined;
    const response = await dispatcher.request({ origin, path: base + path, method, headers, signal, blocking });
    const answer = parseAnswer(response.statusCode, response.headers, Buffer.from(await response.body.arrayBuffer()));
    if (isWithoutFetch(answer)) for (const name of countedKeys) upstream[name]--;
    record(sentWith, answer, request);
    return answer;
  }

  function record(sentWith: KeyName | undefined, { headers, text }: Answer, request: TargetRequest): void {
    const mayContainRows = request.isPassedThrough !== true;
    const body = request.quotable === undefined ? text : text.replaceAll(request.quotable, "");
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    for (const text of [body, ...lines]) {
      received.set(`${sentWith} ${mayContainRows} ${text}`, { sentWith, text, mayContainRows });
    }
  }

  return {
    send: (name, { as = "bearer", ...request } = {}) => send(name, credential(as, keys[name]), request),
    sendAs: (credential, request = {}) => send(undefined, credential, request),
    traffic: () => ({ requests, upstream: { ...upstream }, received: [...received.values()] }),
    close: async () => void (await Promise.all([agent.destroy(), pipeline.destroy()])),
  };
}

/** The header that carries a key. */
export function credential(as: "bearer" | "x-api-key", key: string): HeaderFields {
  return as === "bearer" ? { authorization: `Bearer ${key}` } : { "x-api-key": key };
}

// A hit, a collapsed request, or a request that Keylane rejected itself: none made a fetch.
function isWithoutFetch({ status, headers, text }: Answer): boolean {
  const cacheStatus = headers["cache-status"] ?? "";
  if (/^keylane; hit; ttl=\d+$/.test(cacheStatus) || /^keylane;.*; collapsed$/.test(cacheStatus)) return true;
  return status === 400 || (status === 401 && text.includes('"missing_api_key"'));
}
