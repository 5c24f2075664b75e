import { once } from "node:events";
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { patternBytes } from "./nanogpt/bytes.ts";
import { responseTo, startCall, readAnswer, type PlainAnswer, type PlainCall } from "./plain-call.ts";
import { ALICE, BOB } from "./setup.ts";

/** Running clients and the outcomes of their calls. */
export interface Load {
  /** How often each outcome occurred, such as `{ "list: ok": 12, "stream: ECONNREFUSED": 1 }`. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** How many calls have ended without ECONNREFUSED, successfully or not. */
  answered(): number;
  /** Stops new calls and waits for the open ones. */
  end(): Promise<void>;
}

export interface LoadOptions {
  /** Whether clients reuse connections or open one for each call. */
  readonly keepsAlive: boolean;
  readonly clients: number;
  /** How long each client pauses between two calls. */
  readonly pauseMs: number;
}

/**
 * The outcomes that clients should not get. One ECONNRESET per kind of call is allowed: the kernel resets connections
 * that it accepts just as the server stops listening, and an idle connection may be closed just as it is reused.
 */
export function problemsOf({ outcomes }: Load): string[] {
  return Object.entries(outcomes)
    .filter(([outcome, times]) => {
      if (outcome.endsWith(": ok") || outcome.endsWith(REFUSED)) return false;
      return !(outcome.includes(": ECONNRESET") && times === 1);
    })
    .map(([outcome, times]) => `${times} times ${outcome}`);
}

interface LoadCall extends PlainCall {
  readonly path: string;
  readonly isExpected: (answer: PlainAnswer) => boolean;
}

// The error of a call while nothing listens: harmless, since no request was sent.
const REFUSED = "ECONNREFUSED";

const UPLOAD = patternBytes(300_000);

/** Calls of every kind; each succeeds if nothing interferes. `index` is the number of calls so far. */
const LOAD_CALLS: Readonly<Record<string, (index: number) => LoadCall>> = {
  // Fresh, stale or being refreshed, depending on MAX_AGE.
  list: () => ({ path: "/v1/models", fields: bearer(ALICE), isExpected: isList }),
  miss: (index) => ({ path: `/v1/models?team=${index}`, fields: bearer(BOB), isExpected: isList }),
  model: () => ({
    path: "/v1/models/openai/gpt-4-turbo",
    fields: bearer(ALICE),
    isExpected: ({ text }) => text.includes('"id":"openai/gpt-4-turbo"'),
  }),
  stream: () => ({
    path: "/v1/chat/completions",
    method: "POST",
    fields: `${bearer(ALICE)}\nx-standin-interval-ms: 20`,
    body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c" }] }),
    isExpected: ({ text }) => text.endsWith("data: [DONE]\n\n"),
  }),
  upload: () => ({
    path: "/v1/echo",
    method: "POST",
    body: pieces(UPLOAD),
    isExpected: ({ body }) => body.equals(UPLOAD),
  }),
  slow: () => ({ path: "/v1/slow-bytes?n=1000&ms=30", isExpected: ({ body }) => body.length === 1000 }),
  health: () => ({ path: "/healthz", isExpected: ({ text }) => text.includes("alive") }),
};

/** Starts clients that make every kind of call, one after another, until they are stopped. */
export function load(url: string, { keepsAlive, clients, pauseMs }: LoadOptions): Load {
  const outcomes: Record<string, number> = {};
  const agent = keepsAlive ? new Agent({ keepAlive: true, maxSockets: clients }) : undefined;
  onTestFinished(() => agent?.destroy());
  const kinds = Object.entries(LOAD_CALLS);
  const stopping = new AbortController();
  let count = 0;

  async function call(): Promise<void> {
    const [kind, makeCall] = kinds[count++ % kinds.length] ?? ["", LOAD_CALLS.health];
    if (makeCall === undefined) return;
    const { path, isExpected, ...rest } = makeCall(count);
    const outgoing = startCall(url + path, agent === undefined ? rest : { ...rest, agent });
    const failed = once(outgoing, "error").then(([error]) => errorOutcome(error, outgoing.reusedSocket));
    const done = responseTo(outgoing)
      .then(readAnswer)
      .then((answer) => answerOutcome(answer, isExpected));
    const outcome = `${kind}: ${await Promise.race([done.catch(() => failed), failed])}`;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }

  const done = Array.from({ length: clients }, async () => {
    while (!stopping.signal.aborted) {
      await call();
      await sleep(pauseMs);
    }
  });
  onTestFinished(() => stopping.abort());
  return {
    outcomes,
    answered: () =>
      Object.entries(outcomes).reduce((sum, [outcome, times]) => (outcome.endsWith(REFUSED) ? sum : sum + times), 0),
    async end() {
      stopping.abort();
      await Promise.all(done);
    },
  };
}

function answerOutcome(answer: PlainAnswer, isExpected: (answer: PlainAnswer) => boolean): string {
  if (!answer.isComplete) return `${answer.status}, cut`;
  return answer.status === 200 && isExpected(answer) ? "ok" : `${answer.status} ${answer.text.slice(0, 200)}`;
}

function errorOutcome(error: unknown, isReused: boolean): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  return isReused ? `${code} on a reused connection` : code;
}

function isList({ text }: PlainAnswer): boolean {
  return text.startsWith('{"object":"list","data":[{"id":"') && text.endsWith("}]}");
}

function bearer(key: string): string {
  return `Authorization: Bearer ${key}`;
}

async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < body.length; sent += 100_000) {
    yield body.subarray(sent, sent + 100_000);
    await sleep(5);
  }
}
