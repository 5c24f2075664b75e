import { describe, expect, test } from "vitest";
import { crowd, storm, type Storm } from "../support/herd.ts";
import { guest, idsOf } from "../support/herd-upstream.ts";
import { SOON } from "../support/stale-setup.ts";

const ATTACKER = guest(666);
const OTHERS = Array.from({ length: 12 }, (_, index) => guest(index));
const MOST_HELD = 8;
const VARIANTS = 60;

/** The same list in endless variants: by query, by page origin. */
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

async function heldOf({ held }: Storm, variant: (index: number) => Variant): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < VARIANTS; index++) {
    const { path, headers } = variant(index);
    if ((await held(ATTACKER, path, headers)) !== undefined) found.push(index);
  }
  return found;
}

describe.each(KINDS)("one key with endless variants, by $by,", ({ variant }) => {
  test("holds the last eight, and puts out nobody else's list", async () => {
    const all = await storm();
    await crowd(OTHERS.length, (index) => all.ask(OTHERS[index]));
    for (let index = 0; index < VARIANTS; index++) {
      const { path, ...options } = variant(index);
      expect((await all.ask(ATTACKER, path, options)).ids()).toEqual(idsOf(ATTACKER));
    }
    const last = Array.from({ length: MOST_HELD }, (_, index) => VARIANTS - MOST_HELD + index);
    expect(await heldOf(all, variant)).toEqual(last);
    for (const key of OTHERS) expect(await all.held(key)).toEqual(idsOf(key));
  });

  test("holds a quarter of the memory at most, also when it asks for all at once", async () => {
    // Room for 17 such lists on Node, which keeps two codings of them, and for 30 on Workers.
    const all = await storm({ MEMORY_MAX_SIZE: "3MB" }, { padding: 100_000 });
    await crowd(OTHERS.length, (index) => all.ask(OTHERS[index]));
    await crowd(VARIANTS, async (index) => {
      const { path, ...options } = variant(index);
      expect((await all.ask(ATTACKER, path, options)).status).toBe(200);
    });
    const found = await heldOf(all, variant);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(7);
    for (const key of OTHERS) expect(await all.held(key)).toEqual(idsOf(key));
  });
});

test("one key with endless variants takes four places at most of an upstream that hangs for it", async () => {
  const { variant } = KINDS[2];
  const all = await storm({ LIST_TIMEOUT: "2s" });
  all.upstream.hang((key) => key === ATTACKER);
  const attack = crowd(VARIANTS, async (index) => {
    const { path, ...options } = variant(index);
    const answer = await all.ask(ATTACKER, path, options);
    expect([answer.status, answer.json().error.code]).toEqual([504, "upstream_timeout"]);
    expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1000);
  });
  const attacks = () => all.upstream.asked.filter(({ key }) => key === ATTACKER).length;
  await expect.poll(attacks, SOON).toBe(4);
  const others = await crowd(OTHERS.length, (index) => all.ask(OTHERS[index]));
  for (const [index, answer] of others.entries()) expect(answer.ids()).toEqual(idsOf(OTHERS[index] ?? ""));
  expect(attacks()).toBe(4);
  await attack;
  // At every time: those who waited had their turn only when places came free.
  expect(all.upstream.most()).toBeLessThanOrEqual(4 + OTHERS.length);

  // Upstream has refused nothing to those who never had a turn: they may ask again at once.
  all.upstream.hang(() => false);
  const { headers, path } = variant(neverAsked(all));
  expect((await all.ask(ATTACKER, path, { headers })).ids()).toEqual(idsOf(ATTACKER));
});

function neverAsked({ upstream }: Storm): number {
  const origins = new Set(upstream.asked.map(({ origin }) => origin));
  // From the end: of a key's refusals the last eight are remembered.
  for (let index = VARIANTS - 1; index >= 0; index--) {
    if (!origins.has(`https://${index}.example.org`)) return index;
  }
  return expect.fail("Every variant was asked for");
}
