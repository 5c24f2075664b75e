import { describe, expect, test } from "vitest";
import { connection } from "../support/connection.ts";
import { crowd, storm, type Storm } from "../support/herd.ts";
import { guest, idsOf } from "../support/herd-upstream.ts";
import { errorOf, SOON } from "../support/stale-setup.ts";

const KEY = guest(1);
const [OWN = ""] = idsOf(KEY);
const REFUSED = { status: 401, code: "invalid_api_key" };
const wrong = (index: number) => `sk-nano-test-wrong-${index}`;

/** Ways to look at the same list of upstream's, and what each of them gives. */
const VIEWS: readonly { path: string; method?: string; headers?: Record<string, string>; gives: RegExp }[] = [
  { path: "/v1/models", gives: /^200 \{"object":"list","data":\[\{"id":"only\/sk-/ },
  { path: "/api/v1/models?limit=20&detailed=false", gives: /^200 \{"object":"list"/ },
  { path: "/basic/v1/models", gives: /^200 \{"object":"list","data":\[[^[\]]*\]\}$/ },
  { path: "//v1/v1/models/", gives: /^200 \{"object":"list"/ },
  { path: `/v1/models/${OWN}`, gives: /^200 \{"id":"only\/sk-/ },
  { path: "/v1/models/none/such", gives: /^404 .*model_not_found/ },
  { path: "/v1/models", method: "HEAD", gives: /^200 $/ },
  { path: "/v1/models", headers: { "if-none-match": "*" }, gives: /^304 $/ },
  { path: "/v1/models", headers: { "if-none-match": '"other"' }, gives: /^200 \{"object":"list"/ },
  { path: "/v1/models", headers: { authorization: "", "x-api-key": KEY }, gives: /^200 \{"object":"list"/ },
];

describe("a crowd with one key", () => {
  test("that looks at one list in every way costs one upstream call", async () => {
    const { ask, upstream } = await storm();
    upstream.delay(200);
    const answers = await crowd(200, async (index) => {
      const { path = "", gives, ...options } = VIEWS[index % VIEWS.length] ?? {};
      const { status, text } = await ask(KEY, path, options);
      expect(`${status} ${text}`, path).toMatch(gives ?? /never/);
    });
    expect(answers).toHaveLength(200);
    expect(upstream.asked.map(({ key, target }) => [key, target])).toEqual([
      [KEY, "/personalized/v1/models"],
    ]);
  });

  test("that pipelines its questions costs one upstream call, and each connection hears its answers in order", async () => {
    const { keylane, upstream } = await storm();
    upstream.delay(200);
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    await crowd(10, async () => {
      const open = await connection(keylane.url);
      const requests = ids.map(
        (id) =>
          `GET /v1/models HTTP/1.1\nHost: a\nAuthorization: Bearer ${KEY}\nX-Request-Id: number-${id}-of-this\n\n`,
      );
      open.say(requests.join(""));
      const said = await open.until(/number-19-of-this[^]*"id":"shared\/model"/i);
      expect([...said.matchAll(/number-(\d+)-of-this/gi)].map(([, id]) => id)).toEqual(ids);
      expect(said.match(/HTTP\/1\.1 200 OK\r/g)).toHaveLength(ids.length);
      expect(said.split(`"${OWN}"`)).toHaveLength(ids.length + 1);
    });
    expect(upstream.asked).toHaveLength(1);
  });
});

describe("30 wrong calls at once", () => {
  test("with one key cost one upstream call", async () => {
    const all = await storm();
    all.upstream.delay(100);
    const answers = await crowd(30, () => all.ask(wrong(0)));
    expect(answers.map(errorOf)).toEqual(answers.map(() => REFUSED));
    expect(all.upstream.asked).toHaveLength(1);
    expect(errorOf(await all.ask(wrong(0), "/v1/models?sort=favorites"))).toEqual(REFUSED);
    expect(all.upstream.asked).toHaveLength(1);
    await expectForgotten(all, [wrong(0)]);
  });

  test("with a key each cost a call each, once, 16 at a time", async () => {
    const all = await storm();
    all.upstream.delay(100);
    for (let round = 0; round < 2; round++) {
      const answers = await crowd(30, (index) => all.ask(wrong(index)));
      expect(answers.map(errorOf)).toEqual(answers.map(() => REFUSED));
      expect(new Set(all.upstream.asked.map(({ key }) => key)).size).toBe(30);
      expect(all.upstream.asked).toHaveLength(30);
    }
    expect(all.upstream.most()).toBe(16);
    await expectForgotten(
      all,
      Array.from({ length: 30 }, (_, index) => wrong(index)),
    );
  });
});

describe("a flood of unknown keys", () => {
  test("is refused one by one, while known keys are served and overtake it", async () => {
    const { ask, held, keylane, upstream } = await storm({
      STALE_WHILE_REVALIDATE: "1h",
      LIST_TIMEOUT: "15s",
    });
    const [stale, older, fresh] = [guest(1), guest(2), guest(3)];
    await ask(older);
    await keylane.advance(3_700_000);
    await ask(stale);
    await keylane.advance(120_000);
    await ask(fresh);
    upstream.delay(100);
    const flood = crowd(400, (index) => ask(wrong(index)));
    await expect.poll(() => upstream.asked.length, SOON).toBeGreaterThan(32);

    expect((await ask(fresh)).headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
    expect((await ask(stale)).headers["cache-status"]).toContain("detail=refreshing");
    // Its list is needed now, and it need not wait until the flood is over.
    expect((await ask(older)).headers["cache-status"]).toBe("keylane; fwd=stale; stored");
    expect(upstream.asked.length).toBeLessThan(300);
    await expect.poll(async () => (await ask(stale)).headers["age"], SOON).toMatch(/^\d$/);
    expect(upstream.asked.length).toBeLessThan(300);

    const answers = await flood;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(upstream.most()).toBe(16);
    for (const key of [stale, older, fresh]) expect(await held(key)).toEqual(idsOf(key));
  });
});

async function expectForgotten({ held, upstream }: Storm, keys: readonly string[]) {
  const before = upstream.asked.length;
  for (const key of keys) expect(await held(key)).toBeUndefined();
  expect(upstream.asked).toHaveLength(before);
}
