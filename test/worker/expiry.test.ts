import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { headerValues } from "../support/plain-call.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD } from "../support/stale-setup.ts";
import { boundWorker, idsOf, type Bound } from "../support/worker/bound.ts";
import type { BoundAnswer } from "../support/worker/caller.ts";

// Real seconds on the runtime's own clock, which a test's clock would hide; each bound is what the client's clock says.
const LIFE = {
  MAX_AGE: "1s",
  STALE_WHILE_REVALIDATE: "1s",
  STALE_IF_ERROR: "2s",
  REFUSAL_MAX_AGE: "1s",
  LIST_TIMEOUT: "2s",
};
const EVERY_MS = 50;
// Clocks of two Workers in one process may be so far apart.
const SLACK_MS = 50;

interface Glimpse extends Pick<BoundAnswer, "status" | "text" | "began" | "ended"> {
  readonly outcome: string;
}
type Watch = (all: Bound, times: number, fields?: Record<string, string>) => Promise<readonly Glimpse[]>;

/** Asks again and again within one request of the client Worker. */
const overBinding: Watch = async ({ ask }, times, headers = {}) => {
  const answers = await ask(
    Array.from({ length: times }, () => ({ key: ALICE, headers })),
    EVERY_MS,
  );
  return answers.flatMap((answer) =>
    answer === null ? [] : [{ ...answer, outcome: answer.headers["cache-status"] ?? "" }],
  );
};

/** Asks again and again, each time on a connection of its own. */
const overHttp: Watch = async ({ list }, times, headers = {}) => {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const seen: Glimpse[] = [];
  for (let i = 0; i < times; i++) {
    const began = Date.now();
    const { status, text, rawHeaders } = await list(ALICE, fields.join("\n"));
    seen.push({ status, text, outcome: headerValues(rawHeaders, "cache-status")[0] ?? "", began, ended: Date.now() });
    await sleep(EVERY_MS);
  }
  return seen;
};

const WAYS: readonly { readonly way: string; readonly watch: Watch }[] = [
  { way: "requests of their own", watch: overHttp },
  { way: "calls of one long request", watch: overBinding },
];

type State = "fresh" | "refreshing" | "upstream-failed" | "error";

function stateOf({ status, outcome }: Glimpse): State {
  if (status !== 200) return "error";
  const detail = /detail=(refreshing|upstream-failed)$/.exec(outcome)?.[1];
  return detail === undefined ? "fresh" : (detail as State);
}

describe.concurrent.each(WAYS)("in one isolate, seen by $way", ({ watch }) => {
  test("a list is fresh, stale and gone on time while upstream is down", async (context) => {
    const all = await boundWorker(context, LIFE);
    const [first] = await watch(all, 1);
    if (first === undefined) throw new Error("Nothing was answered");
    expect(idsOf(first)).toEqual(OLD);
    all.nano.fail({ kind: "status", status: 500 });
    const seen = await watch(all, 70);
    for (const glimpse of seen) {
      const youngest = glimpse.began - first.ended - SLACK_MS;
      const oldest = glimpse.ended - first.began + SLACK_MS;
      const state = stateOf(glimpse);
      if (state === "fresh") expect(youngest).toBeLessThan(1000);
      else expect(oldest).toBeGreaterThanOrEqual(1000);
      if (state === "error") expect(oldest).toBeGreaterThanOrEqual(3000);
      else expect(youngest).toBeLessThan(3000);
      const ttl = /ttl=(-?\d+)/.exec(glimpse.outcome)?.[1];
      if (state !== "error") expect(Number(ttl) * 1000).toBeLessThanOrEqual(1000 - youngest);
      if (state !== "error") expect((Number(ttl) + 1) * 1000).toBeGreaterThanOrEqual(1000 - oldest);
    }
    const states = seen.map(stateOf);
    expect(new Set(states)).toEqual(new Set(["fresh", "refreshing", "upstream-failed", "error"]));
    expect(states.lastIndexOf("fresh")).toBeLessThan(states.indexOf("refreshing"));
    expect(states.lastIndexOf("upstream-failed")).toBeLessThan(states.indexOf("error"));
    all.nano.fail(undefined);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    const after = await watch(all, 25);
    expect(after.at(-1) && idsOf(after.at(-1) ?? first)).toEqual(NEW);
  });

  test("a refusal ends, and no sooner", async (context) => {
    const all = await boundWorker(context, LIFE);
    all.nano.fail({ kind: "status", status: 500 });
    expectOncePerSecond(all, await watch(all, 40));
  });

  test("a client with no-cache costs one upstream call a second", async (context) => {
    const all = await boundWorker(context, { ...LIFE, MAX_AGE: "1h" });
    expectOncePerSecond(all, await watch(all, 40, { "cache-control": "no-cache" }));
  });

  test("a client with max-age gets a list that is no older", async (context) => {
    const all = await boundWorker(context, { ...LIFE, MAX_AGE: "1h" });
    expectOncePerSecond(all, await watch(all, 40, { "cache-control": "max-age=1" }));
  });
});

/** Holds what was seen against the upstream calls it took: the first, and one in each second after it at most. */
function expectOncePerSecond({ nano }: Bound, seen: readonly Glimpse[]): void {
  const [first, last] = [seen[0], seen.at(-1)];
  if (first === undefined || last === undefined) throw new Error("Nothing was answered");
  const most = 1 + Math.floor((last.ended - first.began + SLACK_MS) / 1000);
  expect(most).toBeGreaterThanOrEqual(3);
  expect(nano.lists().length).toBeLessThanOrEqual(most);
  // A pause and an answer late each time.
  expect(nano.lists().length).toBeGreaterThanOrEqual(most - 1);
}

describe.concurrent("an isolate that goes on and on", () => {
  const KEYS = Array.from({ length: 500 }, (_, index) => `sk-nano-test-many-${index}`);
  const accounts = [BOB, ...KEYS].map((key) => ({ key, visible: [...OLD] }));

  test("forgets its oldest lists, and never mistakes or refuses a client", async (context) => {
    const all = await boundWorker(
      context,
      { ...LIFE, MAX_AGE: "1h", LIST_TIMEOUT: "20s", MEMORY_MAX_SIZE: "64KB" },
      { accounts },
    );
    for (let round = 0; round < 4; round++) {
      for (let from = 0; from < KEYS.length; from += 100) {
        const answers = await all.ask(KEYS.slice(from, from + 100).map((key) => ({ key })));
        expect(new Set(answers.map((answer) => answer?.status))).toEqual(new Set([200]));
      }
    }
    const stored = async (key = "") => (await all.list(key, "Cache-Control: only-if-cached")).status;
    expect(await stored(KEYS.at(-1))).toBe(200);
    expect(await stored(KEYS[0])).toBe(504);
    expect(all.nano.lists()).toHaveLength(4 * KEYS.length);
    expect(all.said()).toBe("");
  });
});
