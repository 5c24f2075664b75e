// One key that requests endless variants of a list gets a bounded share of memory and of upstream slots.
import { describe, expect, test } from "vitest";
import { sendConcurrently, startHerd, type Herd } from "../support/herd.ts";
import { herdKey, idsOf } from "../support/herd-upstream.ts";
import { POLL } from "../support/stale-setup.ts";

const ATTACKER = herdKey(666);
const OTHERS = Array.from({ length: 12 }, (_, index) => herdKey(index));
const MAX_VARIANTS = 8;
const VARIANTS = 60;

/** Endless variants of the same list: by query, by Origin, by both. */
const KINDS = [
  { by: "query", variant: (index: number) => ({ path: `/v1/models?team=${index}` }) },
  {
    by: "Origin",
    variant: (index: number) => ({ path: "/v1/models", headers: { origin: `https://${index}.example.org` } }),
  },
  {
    by: "both",
    variant: (index: number) => ({
      path: `/detailed/v1/models?team=${index % 7}`,
      headers: { origin: `https://${index}.example.org` },
    }),
  },
] as const;

type Variant = { readonly path: string; readonly headers?: Record<string, string> };

/** The indices of the variants that are stored. */
async function storedVariants({ stored }: Herd, variant: (index: number) => Variant): Promise<number[]> {
  const indices: number[] = [];
  for (let index = 0; index < VARIANTS; index++) {
    const { path, headers } = variant(index);
    if ((await stored(ATTACKER, path, headers)) !== undefined) indices.push(index);
  }
  return indices;
}

describe.each(KINDS)("one key that requests endless variants, by $by,", ({ variant }) => {
  test("has its last eight stored, and evicts no other key's list", async () => {
    const all = await startHerd();
    await sendConcurrently(OTHERS.length, (index) => all.request(OTHERS[index]));
    for (let index = 0; index < VARIANTS; index++) {
      const { path, ...options } = variant(index);
      expect((await all.request(ATTACKER, path, options)).ids()).toEqual(idsOf(ATTACKER));
    }
    const last = Array.from({ length: MAX_VARIANTS }, (_, index) => VARIANTS - MAX_VARIANTS + index);
    expect(await storedVariants(all, variant)).toEqual(last);
    for (const key of OTHERS) expect(await all.stored(key)).toEqual(idsOf(key));
  });

  test("takes at most a quarter of the memory, even when it requests all at once", async () => {
    // Space for 17 such lists on Node, which stores two codings of each, and for 30 on Workers.
    const all = await startHerd({ MEMORY_MAX_SIZE: "3MB" }, { padding: 100_000 });
    await sendConcurrently(OTHERS.length, (index) => all.request(OTHERS[index]));
    await sendConcurrently(VARIANTS, async (index) => {
      const { path, ...options } = variant(index);
      expect((await all.request(ATTACKER, path, options)).status).toBe(200);
    });
    const indices = await storedVariants(all, variant);
    expect(indices.length).toBeGreaterThan(0);
    expect(indices.length).toBeLessThanOrEqual(7);
    for (const key of OTHERS) expect(await all.stored(key)).toEqual(idsOf(key));
  });
});

test("one key that requests endless variants takes at most four slots of an upstream that hangs for it", async () => {
  const { variant } = KINDS[2];
  const all = await startHerd({ LIST_TIMEOUT: "2s" });
  all.upstream.hang((key) => key === ATTACKER);
  const attack = sendConcurrently(VARIANTS, async (index) => {
    const { path, ...options } = variant(index);
    const answer = await all.request(ATTACKER, path, options);
    expect([answer.status, answer.json().error.code]).toEqual([504, "upstream_timeout"]);
    expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
  });
  const attackRequests = () => all.upstream.requests.filter(({ key }) => key === ATTACKER).length;
  await expect.poll(attackRequests, POLL).toBe(4);
  const others = await sendConcurrently(OTHERS.length, (index) => all.request(OTHERS[index]));
  for (const [index, answer] of others.entries()) expect(answer.ids()).toEqual(idsOf(OTHERS[index] ?? ""));
  expect(attackRequests()).toBe(4);
  await attack;
  // At every moment: a waiting fetch starts only when one of the four ends.
  expect(all.upstream.maxConcurrent()).toBeLessThanOrEqual(4 + OTHERS.length);

  // A variant that timed out in the queue has no negative entry: it can be requested again at once.
  all.upstream.hang(() => false);
  const { headers, path } = variant(neverRequested(all));
  expect((await all.request(ATTACKER, path, { headers })).ids()).toEqual(idsOf(ATTACKER));
});

function neverRequested({ upstream }: Herd): number {
  const origins = new Set(upstream.requests.map(({ origin }) => origin));
  // From the end, since only a key's last eight failures have negative entries.
  for (let index = VARIANTS - 1; index >= 0; index--) {
    if (!origins.has(`https://${index}.example.org`)) return index;
  }
  return expect.fail("Every variant was requested from upstream");
}
