import { expect, test } from "vitest";
import { caller } from "../support/herd.ts";
import { measuredProgram } from "../support/herd-program.ts";
import { guest, idsOf, stormUpstream } from "../support/herd-upstream.ts";
import { SOON } from "../support/stale-setup.ts";

const MB = 1024 * 1024;
// As many as Keylane remembers, and then some.
const REMEMBERED = 5000;
const MORE = 2500;
const CALLERS = 64;
const wrong = (index: number) => `sk-nano-test-wrong-${index}`;

async function measured(settings: Record<string, string>, padding = 0) {
  const upstream = await stormUpstream({ padding });
  const program = await measuredProgram({ UPSTREAM_URL: upstream.url, ...settings });
  return { upstream, program, ...caller(program.url) };
}

/** Does something for each of so many, by so many callers at a time. */
async function inTurn(from: number, to: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = from;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (next < to) await one(next++);
  });
  await Promise.all(callers);
}

test("a flood of unknown keys leaves memory as it was once 5,000 of them are remembered, and keeps no known key waiting", async () => {
  const { program, ask, upstream } = await measured({ MAX_AGE: "500ms", REFUSAL_MAX_AGE: "1h" });
  const known = guest(1);
  await ask(known);
  const refuse = async (index: number) => expect((await ask(wrong(index))).status).toBe(401);
  await inTurn(0, REMEMBERED, refuse);
  const before = await program.figures();

  let hits = 0;
  const isOver = inTurn(REMEMBERED, REMEMBERED + MORE, refuse).then(() => true);
  while (!(await Promise.race([isOver, ask(known).then(() => false)]))) hits++;
  expect(hits).toBeGreaterThan(10);
  // Stale every half second, and refreshed when it is.
  expect(upstream.asked.filter(({ key }) => key === known).length).toBeGreaterThan(2);

  const after = await program.figures();
  expect(after.heapUsed - before.heapUsed).toBeLessThan(MB);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(MB);
  expect(after.files).toBeLessThanOrEqual(before.files + CALLERS);

  const asked = upstream.asked.length;
  for (let index = 1; index <= 50; index++) await refuse(REMEMBERED + MORE - index);
  expect(upstream.asked).toHaveLength(asked);
  await refuse(0);
  expect(upstream.asked).toHaveLength(asked + 1);
}, 60_000);

test("good keys whose lists do not all fit get their own, in bounded memory", async () => {
  // 3,000 lists of 32 KB and their gzipped form are 160 MB.
  const { program, ask, held } = await measured({ MEMORY_MAX_SIZE: "16MB" }, 32_000);
  const serve = async (index: number) => expect((await ask(guest(index))).ids()).toEqual(idsOf(guest(index)));
  await inTurn(0, 1000, serve);
  const before = await program.figures();
  expect(before.arrayBuffers).toBeGreaterThan(12 * MB);
  await inTurn(1000, 3000, serve);
  await expect.poll(() => held(guest(2999)), SOON).toEqual(idsOf(guest(2999)));
  expect(await held(guest(0))).toBeUndefined();
  const after = await program.figures();
  expect(after.arrayBuffers).toBeLessThan(18 * MB);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(MB);
}, 60_000);
