// Memory stays bounded under thousands of unknown keys, and under more stored lists than fit.
import { expect, test } from "vitest";
import { herdClient } from "../support/herd.ts";
import { startMeasuredProgram } from "../support/herd-program.ts";
import { herdKey, idsOf, startHerdUpstream } from "../support/herd-upstream.ts";
import { POLL } from "../support/stale-setup.ts";

const MB = 1024 * 1024;
// The capacity of the negative cache.
const MAX_NEGATIVE_ENTRIES = 5000;
const MORE = 2500;
const CLIENTS = 64;
const wrongKey = (index: number) => `sk-nano-test-wrong-${index}`;

async function measuredSetup(settings: Record<string, string>, padding = 0) {
  const upstream = await startHerdUpstream({ padding });
  const program = await startMeasuredProgram({ UPSTREAM_URL: upstream.url, ...settings });
  return { upstream, program, ...herdClient(program.url) };
}

/** Runs `task` for each index in turn, by 64 clients at a time. */
async function forEachIndex(from: number, to: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = from;
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (next < to) await task(next++);
  });
  await Promise.all(clients);
}

test("memory stays constant under a flood of unknown keys once 5,000 negative entries exist, and a known key is still served", async () => {
  const { program, request, upstream } = await measuredSetup({ MAX_AGE: "500ms", REFUSAL_MAX_AGE: "1h" });
  const known = herdKey(1);
  await request(known);
  const expectRejected = async (index: number) => expect((await request(wrongKey(index))).status).toBe(401);
  await forEachIndex(0, MAX_NEGATIVE_ENTRIES, expectRejected);
  const before = await program.measure();

  let hits = 0;
  const isOver = forEachIndex(MAX_NEGATIVE_ENTRIES, MAX_NEGATIVE_ENTRIES + MORE, expectRejected).then(() => true);
  while (!(await Promise.race([isOver, request(known).then(() => false)]))) hits++;
  expect(hits).toBeGreaterThan(10);
  // The known list is stale every half second and refreshed each time.
  expect(upstream.requests.filter(({ key }) => key === known).length).toBeGreaterThan(2);

  const after = await program.measure();
  expect(after.heapUsed - before.heapUsed).toBeLessThan(MB);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(MB);
  expect(after.files).toBeLessThanOrEqual(before.files + CLIENTS);

  const count = upstream.requests.length;
  for (let index = 1; index <= 50; index++) await expectRejected(MAX_NEGATIVE_ENTRIES + MORE - index);
  expect(upstream.requests).toHaveLength(count);
  await expectRejected(0);
  expect(upstream.requests).toHaveLength(count + 1);
}, 60_000);

test("valid keys whose lists do not all fit get their own lists, in bounded memory", async () => {
  // 3,000 lists of 32 KB and their gzip variants are 160 MB.
  const { program, request, stored } = await measuredSetup({ MEMORY_MAX_SIZE: "16MB" }, 32_000);
  const serve = async (index: number) => expect((await request(herdKey(index))).ids()).toEqual(idsOf(herdKey(index)));
  await forEachIndex(0, 1000, serve);
  const before = await program.measure();
  expect(before.arrayBuffers).toBeGreaterThan(12 * MB);
  await forEachIndex(1000, 3000, serve);
  await expect.poll(() => stored(herdKey(2999)), POLL).toEqual(idsOf(herdKey(2999)));
  expect(await stored(herdKey(0))).toBeUndefined();
  const after = await program.measure();
  expect(after.arrayBuffers).toBeLessThan(18 * MB);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(MB);
}, 60_000);
