import { once } from "node:events";
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { patternBytes } from "./nanogpt/bytes.ts";
import { answerTo, begun, readAnswer, type PlainAnswer, type PlainCall } from "./plain-call.ts";
import { ALICE, BOB } from "./setup.ts";

/** What callers met: "whole" for a right answer, else what was wrong, and how often. */
export interface Load {
  /** Such as `{ "list: whole": 12, "stream: ECONNREFUSED": 1 }`. */
  readonly met: Readonly<Record<string, number>>;
  /** How many calls were answered, well or not. */
  answered(): number;
  /** Begins no further call, and waits for those under way. */
  end(): Promise<void>;
}

export interface LoadOptions {
  /** On connections that are kept, or one for each call. */
  readonly keepsAlive: boolean;
  readonly callers: number;
  /** The pause of each caller between two calls. */
  readonly everyMs: number;
}

/**
 * What callers met that they should not have. Of each kind of call one reset is forgiven: the kernel makes connections
 * in the very moment in which a server stops listening, and resets them, and one that rests may be closed just when it
 * is used again.
 */
export function faultsOf({ met }: Load): string[] {
  return Object.entries(met)
    .filter(isFault)
    .map(([word, times]) => `${times} times ${word}`);
}

function isFault([word, times]: readonly [string, number]): boolean {
  if (word.endsWith(": whole") || word.endsWith(REFUSED)) return false;
  return !(word.includes(": ECONNRESET") && times === 1);
}

interface Errand extends PlainCall {
  readonly path: string;
  readonly isRight: (answer: PlainAnswer) => boolean;
}

// How a call ends where nobody listens: harmless, since nothing was begun.
const REFUSED = "ECONNREFUSED";

const UPLOAD = patternBytes(300_000);

/** Calls of every kind, all whole and right if nobody stands in their way. */
const ERRANDS: Readonly<Record<string, (turn: number) => Errand>> = {
  // Fresh, stale or being refreshed: as MAX_AGE has it.
  list: () => ({ path: "/v1/models", fields: keyed(ALICE), isRight: isList }),
  miss: (turn) => ({ path: `/v1/models?team=${turn}`, fields: keyed(BOB), isRight: isList }),
  model: () => ({
    path: "/v1/models/openai/gpt-4-turbo",
    fields: keyed(ALICE),
    isRight: ({ text }) => text.includes('"id":"openai/gpt-4-turbo"'),
  }),
  stream: () => ({
    path: "/v1/chat/completions",
    method: "POST",
    fields: `${keyed(ALICE)}\nx-standin-interval-ms: 20`,
    body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c" }] }),
    isRight: ({ text }) => text.endsWith("data: [DONE]\n\n"),
  }),
  upload: () => ({
    path: "/v1/echo",
    method: "POST",
    body: pieces(UPLOAD),
    isRight: ({ body }) => body.equals(UPLOAD),
  }),
  slow: () => ({ path: "/v1/slow-bytes?n=1000&ms=30", isRight: ({ body }) => body.length === 1000 }),
  health: () => ({ path: "/healthz", isRight: ({ text }) => text.includes("alive") }),
};

/** Callers who do every kind of call, one after another, until they are told to end. */
export function load(url: string, { keepsAlive, callers, everyMs }: LoadOptions): Load {
  const met: Record<string, number> = {};
  const agent = keepsAlive ? new Agent({ keepAlive: true, maxSockets: callers }) : undefined;
  onTestFinished(() => agent?.destroy());
  const kinds = Object.entries(ERRANDS);
  const over = new AbortController();
  let turn = 0;

  async function call(): Promise<void> {
    const [kind, errand] = kinds[turn++ % kinds.length] ?? ["", ERRANDS.health];
    if (errand === undefined) return;
    const { path, isRight, ...rest } = errand(turn);
    const outgoing = begun(url + path, agent === undefined ? rest : { ...rest, agent });
    const failed = once(outgoing, "error").then(([error]) => failureOf(error, outgoing.reusedSocket));
    const done = answerTo(outgoing)
      .then(readAnswer)
      .then((answer) => wordOf(answer, isRight));
    const word = `${kind}: ${await Promise.race([done.catch(() => failed), failed])}`;
    met[word] = (met[word] ?? 0) + 1;
  }

  const done = Array.from({ length: callers }, async () => {
    while (!over.signal.aborted) {
      await call();
      await sleep(everyMs);
    }
  });
  onTestFinished(() => over.abort());
  return {
    met,
    answered: () =>
      Object.entries(met).reduce((sum, [word, times]) => (word.endsWith(REFUSED) ? sum : sum + times), 0),
    async end() {
      over.abort();
      await Promise.all(done);
    },
  };
}

function wordOf(answer: PlainAnswer, isRight: (answer: PlainAnswer) => boolean): string {
  if (!answer.isWhole) return `${answer.status}, cut`;
  return answer.status === 200 && isRight(answer) ? "whole" : `${answer.status} ${answer.text.slice(0, 200)}`;
}

function failureOf(error: unknown, isReused: boolean): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  return isReused ? `${code} on a kept connection` : code;
}

function isList({ text }: PlainAnswer): boolean {
  return text.startsWith('{"object":"list","data":[{"id":"') && text.endsWith("}]}");
}

function keyed(key: string): string {
  return `Authorization: Bearer ${key}`;
}

async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < body.length; sent += 100_000) {
    yield body.subarray(sent, sent + 100_000);
    await sleep(5);
  }
}
