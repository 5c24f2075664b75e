import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene, type Answer, type Scene } from "../support/setup.ts";
import { held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

const CROWD = 200;
const MOST = 16;
const KEYS = Array.from({ length: 24 }, (_, index) => `sk-nano-test-crowd-${index}`);
const TOKENS = KEYS.map((_, index) => `e30.dG9rZW4${index}.c2ln`);

function crowd<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => one(index)));
}

/** Waits until upstream has been asked so often, and a little longer for what should not come. */
async function asked({ nano }: Scene, times: number): Promise<void> {
  await expect.poll(() => nano.lists().length, SOON).toBe(times);
  await sleep(60);
  expect(nano.lists()).toHaveLength(times);
}

function collapsed(answers: readonly Answer[]): number {
  return answers.filter(({ headers }) => String(headers["cache-status"]).endsWith("; collapsed")).length;
}

function hits(answers: readonly Answer[]): number {
  return answers.filter(({ headers }) => String(headers["cache-status"]).startsWith("keylane; hit")).length;
}

describe("concurrent callers with one question", () => {
  test("share one upstream call and its bytes", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const answers = crowd(CROWD, () => all.list(ALICE));
    await asked(all, 1);
    flight.release();
    const given = await answers;
    expect(
      new Set(given.map(({ status, text, headers }) => `${status} ${String(headers["etag"])} ${text}`)).size,
    ).toBe(1);
    expect(given[0]?.ids()).toEqual(OLD);
    // On a busy machine some connect only when the list is there already.
    expect(collapsed(given)).toBeGreaterThan(CROWD / 10);
    expect(collapsed(given) + hits(given)).toBe(CROWD - 1);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test.each([
    { status: 500, answer: 502 },
    { status: 401, answer: 401 },
    { status: 404, answer: 404 },
  ])("share a bad outcome: $status", async ({ status, answer }) => {
    const all = await scene();
    all.nano.fail({ kind: "status", status });
    const flight = all.nano.hold();
    const answers = crowd(CROWD, () => all.list(ALICE));
    await asked(all, 1);
    flight.release();
    const given = await answers;
    expect(new Set(given.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(given[0]?.status).toBe(answer);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test("share the refresh of a stale list", async () => {
    const all = await storedScene(120_000);
    const refresh = all.nano.hold();
    const given = await crowd(CROWD, () => all.list(ALICE));
    expect(given.every(({ text }) => text === given[0]?.text)).toBe(true);
    await asked(all, 2);
    refresh.release();
    await expect.poll(() => held(all, ALICE), SOON).toEqual(NEW);
  });
});

describe("questions that differ", () => {
  test.each<{ by: string; ask: (scene: Scene) => Promise<Answer> }>([
    { by: "key", ask: ({ list }) => list(BOB) },
    { by: "shape", ask: ({ list }) => list(ALICE, { path: "/v1/models?detailed=true" }) },
    { by: "list", ask: ({ list }) => list(ALICE, { path: "/subscription/v1/models" }) },
    { by: "order", ask: ({ list }) => list(ALICE, { path: "/v1/models?sort=favorites" }) },
    { by: "a parameter not known to be idle", ask: ({ list }) => list(ALICE, { path: "/v1/models?team=7" }) },
    { by: "origin", ask: ({ list }) => list(ALICE, { headers: { origin: "https://chat.example.org" } }) },
  ])("do not share a call: by $by", async ({ ask }) => {
    const all = await scene();
    const flights = all.nano.hold({ times: 2 });
    const answers = [all.list(ALICE), ask(all)];
    await asked(all, 2);
    flights.release();
    const given = await Promise.all(answers);
    expect(given.map(({ status }) => status)).toEqual([200, 200]);
    expect(collapsed(given)).toBe(0);
  });

  test.each([
    "?detailed=false",
    "?limit=20",
    "?user=me",
    "?beta=true",
    "?after_id=a",
    "?before_id=b",
    "?limit=1000&detailed=false&user=",
  ])("in nothing but idle parameters are one: %s", async (query) => {
    const all = await scene();
    const flight = all.nano.hold();
    const answers = [all.list(ALICE, { path: `/v1/models${query}` }), all.list(ALICE)];
    await asked(all, 1);
    flight.release();
    expect(collapsed(await Promise.all(answers))).toBe(1);
    expect(all.nano.lists()[0]?.target).toBe("/api/personalized/v1/models");
  });

  test("in nothing but their spelling are one", async () => {
    const { list, nano } = await scene();
    const paths = [
      "?detailed=true&sort=favorites",
      "?sort=favorites&detailed=1",
      "?limit=5&sort=favorites&detailed=true",
    ];
    for (const query of paths) await list(ALICE, { path: `/v1/models${query}` });
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("a caller who leaves", () => {
  test("does not cancel the call for the others", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const leave = leaving(all);
    await flight.arrived;
    const others = crowd(5, () => all.list(ALICE));
    await sleep(100);
    await leave();
    flight.release();
    for (const answer of await others) expect(answer.ids()).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(1);
    expect(await held(all, ALICE)).toEqual(OLD);
  });

  test("leaves the list behind for the next", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const leave = leaving(all);
    await flight.arrived;
    await leave();
    await sleep(100);
    flight.release();
    await expect.poll(() => held(all, ALICE), SOON).toEqual(OLD);
    expect(all.nano.lists().map(({ aborted }) => aborted)).toEqual([false]);
  });
});

/** Asks for Alice's list, and gives the way to hang up. */
function leaving({ keylane }: Scene): () => Promise<void> {
  const caller = new AbortController();
  const headers = { authorization: `Bearer ${ALICE}` };
  const gone = fetch(`${keylane.url}/v1/models`, { headers, signal: caller.signal }).catch(() => {});
  return async () => {
    caller.abort();
    await gone;
  };
}

describe("list fetches", () => {
  test.each([
    { of: "keys", credentials: KEYS },
    { of: "signed tokens", credentials: TOKENS },
    { of: "both", credentials: [...KEYS.slice(0, 12), ...TOKENS.slice(0, 12)] },
  ])("are 16 at a time at most, more wait their turn: of $of", async ({ credentials }) => {
    const all = await scene(
      {},
      KEYS.map((key) => ({ key, visible: OLD })),
    );
    const flights = all.nano.hold({ times: credentials.length });
    const answers = crowd(credentials.length, (index) => all.list(credentials[index] ?? ""));
    await expect.poll(() => all.nano.lists().length, SOON).toBeGreaterThanOrEqual(MOST);
    await sleep(100);
    const atATime = all.nano.lists().length;
    flights.release();
    expect((await answers).map(({ status }) => status)).toEqual(credentials.map(() => 200));
    expect(atATime).toBe(MOST);
    expect(all.nano.lists()).toHaveLength(credentials.length);
  });

  test("do not begin without a request, however stale a list grows", async () => {
    const { nano, keylane } = await storedScene(90_000, { MAX_AGE: "100ms", STALE_WHILE_REVALIDATE: "10m" });
    await sleep(400);
    await keylane.advance(3_600_000);
    await sleep(200);
    expect(nano.seen).toHaveLength(1);
  });
});
