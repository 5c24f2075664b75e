import { Agent, Client, type Dispatcher } from "undici";
import { answerOf, type Answer } from "./response.ts";
import type { Arguments } from "./arguments.ts";

export type Name = "A" | "B";
export const NAMES: readonly Name[] = ["A", "B"];

/** The running instance that is looked at. */
export interface Target {
  /** Asks for a list with one of the two keys (by default for `/models`, and as Bearer). */
  readonly ask: (name: Name, question?: TargetRequest & { readonly as?: "bearer" | "x-api-key" }) => Promise<Answer>;
  /** Asks with whatever credential the fields hold. */
  readonly askAs: (fields: Fields, question?: TargetRequest) => Promise<Answer>;
  readonly tally: () => RequestCounters;
  readonly close: () => Promise<void>;
}

export type Fields = Readonly<Record<string, string>>;

export interface TargetRequest {
  readonly method?: "GET" | "HEAD" | "DELETE";
  /** What follows the base URL. */
  readonly path?: string;
  readonly fields?: Fields;
  /** Whether NanoGPT may be asked: else the request says `only-if-cached`, and costs its key nothing. */
  readonly mayAsk?: boolean;
  /** Sends it together with others on one connection, before the first of them is answered. */
  readonly isPipelined?: boolean;
  /** What an error may quote, since the request itself holds it. */
  readonly quotable?: string;
  /** Whether NanoGPT itself may answer: then the rows are whatever it gives to anyone. */
  readonly isPassedThrough?: boolean;
}

export interface RequestCounters {
  readonly requests: number;
  /** The most calls to NanoGPT that Keylane can have made with each key. */
  readonly upstream: Readonly<Record<Name, number>>;
  /** Every header line and body seen, once, by the key that was sent: `undefined` for any other. */
  readonly seen: readonly Seen[];
}

export interface Seen {
  readonly by: Name | undefined;
  readonly text: string;
  readonly mayHoldRows: boolean;
}

// An odd number: with two keys in turn each connection then serves both.
const CONNECTIONS = 11;
const PIPELINED = 8;
// The time limit of all requests together, as a multiple of that of one.
const WHOLE = 8;

/** Opens the way to an instance; nothing is asked before the first question. */
export function createTarget({ origin, base, keys, timeoutMs }: Arguments): Target {
  const times = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connectTimeout: timeoutMs };
  const agent = new Agent({ ...times, connections: CONNECTIONS });
  const pipeline = new Client(origin, { ...times, pipelining: PIPELINED, allowH2: false });
  const whole = AbortSignal.timeout(timeoutMs * WHOLE);
  const seen = new Map<string, Seen>();
  const upstream = { A: 0, B: 0 };
  let requests = 0;

  async function send(by: Name | undefined, credential: Fields, question: TargetRequest): Promise<Answer> {
    const { method = "GET", path = "/models", mayAsk = false, isPipelined = false } = question;
    const headers = {
      "accept-encoding": "identity",
      ...(mayAsk || method === "DELETE" ? {} : { "cache-control": "only-if-cached" }),
      ...credential,
      ...question.fields,
    };
    const dispatcher: Dispatcher = isPipelined ? pipeline : agent;
    const signal = AbortSignal.any([whole, AbortSignal.timeout(timeoutMs)]);
    requests++;
    const isFree = !mayAsk || method === "DELETE";
    // Counted before the answer is there: a call that fails may have been made all the same.
    const payers = NAMES.filter((name) => !isFree && JSON.stringify([path, headers]).includes(keys[name]));
    for (const name of payers) upstream[name]++;
    // Unless the request is marked as non-blocking, undici sends nothing behind a request before its answer has begun.
    const blocking = !isPipelined;
    const came = await dispatcher.request({ origin, path: base + path, method, headers, signal, blocking });
    const answer = answerOf(came.statusCode, came.headers, Buffer.from(await came.body.arrayBuffer()));
    if (isOwn(answer)) for (const name of payers) upstream[name]--;
    remember(by, answer, question);
    return answer;
  }

  function remember(by: Name | undefined, { headers, text }: Answer, question: TargetRequest): void {
    const mayHoldRows = question.isPassedThrough !== true;
    const body = question.quotable === undefined ? text : text.replaceAll(question.quotable, "");
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    for (const one of [body, ...lines]) {
      seen.set(`${by} ${mayHoldRows} ${one}`, { by, text: one, mayHoldRows });
    }
  }

  return {
    ask: (name, { as = "bearer", ...question } = {}) => send(name, credential(as, keys[name]), question),
    askAs: (fields, question = {}) => send(undefined, fields, question),
    tally: () => ({ requests, upstream: { ...upstream }, seen: [...seen.values()] }),
    close: async () => void (await Promise.all([agent.destroy(), pipeline.destroy()])),
  };
}

/** The header field that carries a key. */
export function credential(as: "bearer" | "x-api-key", key: string): Fields {
  return as === "bearer" ? { authorization: `Bearer ${key}` } : { "x-api-key": key };
}

// From the cache, together with another request, or refused for its form: NanoGPT was not asked.
function isOwn({ status, headers, text }: Answer): boolean {
  const cacheStatus = headers["cache-status"] ?? "";
  if (/^keylane; hit; ttl=\d+$/.test(cacheStatus) || /^keylane;.*; collapsed$/.test(cacheStatus)) return true;
  return status === 400 || (status === 401 && text.includes('"missing_api_key"'));
}
