// Concurrent requests with the same cache key share one upstream call, and at most 16 list fetches run at a time.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE, BOB, setup, type Answer, type Setup } from "../support/setup.ts";
import { sendConcurrently } from "../support/herd.ts";
import { storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

const CLIENTS = 200;
const MAX_FETCHES = 16;
const KEYS = Array.from({ length: 24 }, (_, index) => `sk-nano-test-client-${index}`);
const TOKENS = KEYS.map((_, index) => `e30.dG9rZW4${index}.c2ln`);

/** Waits until upstream has received so many list requests, and 60 ms longer for surplus ones. */
async function expectUpstreamCalls({ nano }: Setup, times: number): Promise<void> {
  await expect.poll(() => nano.lists().length, POLL).toBe(times);
  await sleep(60);
  expect(nano.lists()).toHaveLength(times);
}

function countCollapsed(answers: readonly Answer[]): number {
  return answers.filter(({ headers }) => String(headers["cache-status"]).endsWith("; collapsed")).length;
}

function countHits(answers: readonly Answer[]): number {
  return answers.filter(({ headers }) => String(headers["cache-status"]).startsWith("keylane; hit")).length;
}

describe("concurrent requests with the same cache key", () => {
  test("share one upstream call and its bytes", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const answers = sendConcurrently(CLIENTS, () => all.list(ALICE));
    await expectUpstreamCalls(all, 1);
    fetching.release();
    const received = await answers;
    expect(
      new Set(received.map(({ status, text, headers }) => `${status} ${String(headers["etag"])} ${text}`)).size,
    ).toBe(1);
    expect(received[0]?.ids()).toEqual(OLD);
    // On a busy machine some clients connect only when the list is already stored.
    expect(countCollapsed(received)).toBeGreaterThan(CLIENTS / 10);
    expect(countCollapsed(received) + countHits(received)).toBe(CLIENTS - 1);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test.each([
    { status: 500, answer: 502 },
    { status: 401, answer: 401 },
    { status: 404, answer: 404 },
  ])("share an error: $status", async ({ status, answer }) => {
    const all = await setup();
    all.nano.fail({ kind: "status", status });
    const fetching = all.nano.hold();
    const answers = sendConcurrently(CLIENTS, () => all.list(ALICE));
    await expectUpstreamCalls(all, 1);
    fetching.release();
    const received = await answers;
    expect(new Set(received.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(received[0]?.status).toBe(answer);
    expect(all.nano.lists()).toHaveLength(1);
  });

  test("share the refresh of a stale list", async () => {
    const all = await staleSetup(120_000);
    const refresh = all.nano.hold();
    const received = await sendConcurrently(CLIENTS, () => all.list(ALICE));
    expect(received.every(({ text }) => text === received[0]?.text)).toBe(true);
    await expectUpstreamCalls(all, 2);
    refresh.release();
    await expect.poll(() => storedList(all, ALICE), POLL).toEqual(NEW);
  });
});

describe("requests that differ", () => {
  test.each<{ by: string; send: (all: Setup) => Promise<Answer> }>([
    { by: "key", send: ({ list }) => list(BOB) },
    { by: "shape", send: ({ list }) => list(ALICE, { path: "/v1/models?detailed=true" }) },
    { by: "list", send: ({ list }) => list(ALICE, { path: "/subscription/v1/models" }) },
    { by: "order", send: ({ list }) => list(ALICE, { path: "/v1/models?sort=favorites" }) },
    { by: "an unknown parameter", send: ({ list }) => list(ALICE, { path: "/v1/models?team=7" }) },
    { by: "origin", send: ({ list }) => list(ALICE, { headers: { origin: "https://chat.example.org" } }) },
  ])("do not share a call: by $by", async ({ send }) => {
    const all = await setup();
    const fetches = all.nano.hold({ times: 2 });
    const answers = [all.list(ALICE), send(all)];
    await expectUpstreamCalls(all, 2);
    fetches.release();
    const received = await Promise.all(answers);
    expect(received.map(({ status }) => status)).toEqual([200, 200]);
    expect(countCollapsed(received)).toBe(0);
  });

  test.each([
    "?detailed=false",
    "?limit=20",
    "?user=me",
    "?beta=true",
    "?after_id=a",
    "?before_id=b",
    "?limit=1000&detailed=false&user=",
  ])("only in ignored parameters share a call: %s", async (query) => {
    const all = await setup();
    const fetching = all.nano.hold();
    const answers = [all.list(ALICE, { path: `/v1/models${query}` }), all.list(ALICE)];
    await expectUpstreamCalls(all, 1);
    fetching.release();
    expect(countCollapsed(await Promise.all(answers))).toBe(1);
    expect(all.nano.lists()[0]?.target).toBe("/api/personalized/v1/models");
  });

  test("only in the order or spelling of parameters share a call", async () => {
    const { list, nano } = await setup();
    const paths = [
      "?detailed=true&sort=favorites",
      "?sort=favorites&detailed=1",
      "?limit=5&sort=favorites&detailed=true",
    ];
    for (const query of paths) await list(ALICE, { path: `/v1/models${query}` });
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("a client that disconnects", () => {
  test("does not cancel the fetch for other clients", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const disconnect = startAbortable(all);
    await fetching.arrived;
    const others = sendConcurrently(5, () => all.list(ALICE));
    await sleep(100);
    await disconnect();
    fetching.release();
    for (const answer of await others) expect(answer.ids()).toEqual(OLD);
    expect(all.nano.lists()).toHaveLength(1);
    expect(await storedList(all, ALICE)).toEqual(OLD);
  });

  test("does not prevent the list from being stored", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const disconnect = startAbortable(all);
    await fetching.arrived;
    await disconnect();
    await sleep(100);
    fetching.release();
    await expect.poll(() => storedList(all, ALICE), POLL).toEqual(OLD);
    expect(all.nano.lists().map(({ aborted }) => aborted)).toEqual([false]);
  });
});

/** Requests Alice's list; the returned function disconnects. */
function startAbortable({ keylane }: Setup): () => Promise<void> {
  const controller = new AbortController();
  const headers = { authorization: `Bearer ${ALICE}` };
  const ended = fetch(`${keylane.url}/v1/models`, { headers, signal: controller.signal }).catch(() => {});
  return async () => {
    controller.abort();
    await ended;
  };
}

describe("list fetches", () => {
  test.each([
    { of: "keys", credentials: KEYS },
    { of: "signed tokens", credentials: TOKENS },
    { of: "both", credentials: [...KEYS.slice(0, 12), ...TOKENS.slice(0, 12)] },
  ])("run at most 16 at a time, others wait: of $of", async ({ credentials }) => {
    const all = await setup(
      {},
      KEYS.map((key) => ({ key, visible: OLD })),
    );
    const fetches = all.nano.hold({ times: credentials.length });
    const answers = sendConcurrently(credentials.length, (index) => all.list(credentials[index] ?? ""));
    await expect.poll(() => all.nano.lists().length, POLL).toBeGreaterThanOrEqual(MAX_FETCHES);
    await sleep(100);
    const concurrent = all.nano.lists().length;
    fetches.release();
    expect((await answers).map(({ status }) => status)).toEqual(credentials.map(() => 200));
    expect(concurrent).toBe(MAX_FETCHES);
    expect(all.nano.lists()).toHaveLength(credentials.length);
  });

  test("do not start without a request, however stale a list is", async () => {
    const { nano, keylane } = await staleSetup(90_000, { MAX_AGE: "100ms", STALE_WHILE_REVALIDATE: "10m" });
    await sleep(400);
    await keylane.advance(3_600_000);
    await sleep(200);
    expect(nano.seen).toHaveLength(1);
  });
});
