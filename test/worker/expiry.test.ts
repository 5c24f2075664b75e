// In workerd, stored lists and remembered failures expire on time by the runtime's own clock.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { headerValues } from "../support/plain-call.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { NEW, OLD } from "../support/stale-setup.ts";
import { startBoundWorker, idsOf, type BoundWorker } from "../support/worker/bound.ts";
import type { BoundAnswer } from "../support/worker/client-worker.ts";

// Real seconds, since a test clock would hide the runtime's own. All bounds are measured by the client's clock.
const SHORT_LIFETIMES = {
  MAX_AGE: "1s",
  STALE_WHILE_REVALIDATE: "1s",
  STALE_IF_ERROR: "2s",
  REFUSAL_MAX_AGE: "1s",
  LIST_TIMEOUT: "2s",
};
const INTERVAL_MS = 50;
// The clocks of two Workers in one process may differ by this much.
const CLOCK_TOLERANCE_MS = 50;

interface Observation extends Pick<BoundAnswer, "status" | "text" | "startedAt" | "endedAt"> {
  readonly outcome: string;
}
type Observe = (all: BoundWorker, times: number, fields?: Record<string, string>) => Promise<readonly Observation[]>;

/** Sends all requests from within one request of the client Worker. */
const overBinding: Observe = async ({ call }, times, headers = {}) => {
  const answers = await call(
    Array.from({ length: times }, () => ({ key: ALICE, headers })),
    INTERVAL_MS,
  );
  return answers.flatMap((answer) =>
    answer === null ? [] : [{ ...answer, outcome: answer.headers["cache-status"] ?? "" }],
  );
};

/** Sends each request on its own connection. */
const overHttp: Observe = async ({ list }, times, headers = {}) => {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const observations: Observation[] = [];
  for (let i = 0; i < times; i++) {
    const startedAt = Date.now();
    const { status, text, rawHeaders } = await list(ALICE, fields.join("\n"));
    observations.push({
      status,
      text,
      outcome: headerValues(rawHeaders, "cache-status")[0] ?? "",
      startedAt,
      endedAt: Date.now(),
    });
    await sleep(INTERVAL_MS);
  }
  return observations;
};

const CLIENTS: readonly { readonly client: string; readonly observe: Observe }[] = [
  { client: "separate requests", observe: overHttp },
  { client: "one long request of a Worker", observe: overBinding },
];

type State = "fresh" | "refreshing" | "upstream-failed" | "error";

function stateOf({ status, outcome }: Observation): State {
  if (status !== 200) return "error";
  const detail = /detail=(refreshing|upstream-failed)$/.exec(outcome)?.[1];
  return detail === undefined ? "fresh" : (detail as State);
}

describe.concurrent.each(CLIENTS)("in one isolate, for $client", ({ observe }) => {
  test("a list becomes stale and expires on time while upstream is down", async (context) => {
    const all = await startBoundWorker(context, SHORT_LIFETIMES);
    const [first] = await observe(all, 1);
    if (first === undefined) throw new Error("No response");
    expect(idsOf(first)).toEqual(OLD);
    all.nano.fail({ kind: "status", status: 500 });
    const observations = await observe(all, 70);
    for (const observation of observations) {
      const youngest = observation.startedAt - first.endedAt - CLOCK_TOLERANCE_MS;
      const oldest = observation.endedAt - first.startedAt + CLOCK_TOLERANCE_MS;
      const state = stateOf(observation);
      if (state === "fresh") expect(youngest).toBeLessThan(1000);
      else expect(oldest).toBeGreaterThanOrEqual(1000);
      if (state === "error") expect(oldest).toBeGreaterThanOrEqual(3000);
      else expect(youngest).toBeLessThan(3000);
      const ttl = /ttl=(-?\d+)/.exec(observation.outcome)?.[1];
      if (state !== "error") expect(Number(ttl) * 1000).toBeLessThanOrEqual(1000 - youngest);
      if (state !== "error") expect((Number(ttl) + 1) * 1000).toBeGreaterThanOrEqual(1000 - oldest);
    }
    const states = observations.map(stateOf);
    expect(new Set(states)).toEqual(new Set(["fresh", "refreshing", "upstream-failed", "error"]));
    expect(states.lastIndexOf("fresh")).toBeLessThan(states.indexOf("refreshing"));
    expect(states.lastIndexOf("upstream-failed")).toBeLessThan(states.indexOf("error"));
    all.nano.fail(undefined);
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    const after = await observe(all, 25);
    expect(after.at(-1) && idsOf(after.at(-1) ?? first)).toEqual(NEW);
  });

  test("a remembered failure expires on time", async (context) => {
    const all = await startBoundWorker(context, SHORT_LIFETIMES);
    all.nano.fail({ kind: "status", status: 500 });
    expectOncePerSecond(all, await observe(all, 40));
  });

  test("a client with no-cache costs one upstream call a second", async (context) => {
    const all = await startBoundWorker(context, { ...SHORT_LIFETIMES, MAX_AGE: "1h" });
    expectOncePerSecond(all, await observe(all, 40, { "cache-control": "no-cache" }));
  });

  test("a client with max-age gets no older list", async (context) => {
    const all = await startBoundWorker(context, { ...SHORT_LIFETIMES, MAX_AGE: "1h" });
    expectOncePerSecond(all, await observe(all, 40, { "cache-control": "max-age=1" }));
  });
});

/** Expects one upstream fetch at the beginning, and about one in each second after it, but no more. */
function expectOncePerSecond({ nano }: BoundWorker, observations: readonly Observation[]): void {
  const [first, last] = [observations[0], observations.at(-1)];
  if (first === undefined || last === undefined) throw new Error("No response");
  const maxFetches = 1 + Math.floor((last.endedAt - first.startedAt + CLOCK_TOLERANCE_MS) / 1000);
  expect(maxFetches).toBeGreaterThanOrEqual(3);
  expect(nano.lists().length).toBeLessThanOrEqual(maxFetches);
  // Each fetch can be late by an interval and a response time.
  expect(nano.lists().length).toBeGreaterThanOrEqual(maxFetches - 1);
}

describe.concurrent("an isolate with many clients", () => {
  const KEYS = Array.from({ length: 500 }, (_, index) => `sk-nano-test-many-${index}`);
  const accounts = [BOB, ...KEYS].map((key) => ({ key, visible: [...OLD] }));

  test("evicts its oldest lists, and gives every client a list", async (context) => {
    const all = await startBoundWorker(
      context,
      { ...SHORT_LIFETIMES, MAX_AGE: "1h", LIST_TIMEOUT: "20s", MEMORY_MAX_SIZE: "64KB" },
      { accounts },
    );
    for (let round = 0; round < 4; round++) {
      for (let from = 0; from < KEYS.length; from += 100) {
        const answers = await all.call(KEYS.slice(from, from + 100).map((key) => ({ key })));
        expect(new Set(answers.map((answer) => answer?.status))).toEqual(new Set([200]));
      }
    }
    const stored = async (key = "") => (await all.list(key, "Cache-Control: only-if-cached")).status;
    expect(await stored(KEYS.at(-1))).toBe(200);
    expect(await stored(KEYS[0])).toBe(504);
    expect(all.nano.lists()).toHaveLength(4 * KEYS.length);
    expect(all.log()).toBe("");
  });
});
