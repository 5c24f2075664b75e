// Concurrent requests with one key cost one upstream call, and a flood of unknown keys does not delay known ones.
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { sendConcurrently, startHerd, type Herd } from "../support/herd.ts";
import { herdKey, idsOf } from "../support/herd-upstream.ts";
import { errorOf, POLL } from "../support/stale-setup.ts";

const KEY = herdKey(1);
const [OWN = ""] = idsOf(KEY);
const UNAUTHORIZED = { status: 401, code: "invalid_api_key" };
const wrongKey = (index: number) => `sk-nano-test-wrong-${index}`;

/** Requests that are served from the same upstream list, and the expected status and body of each. */
const VIEWS: readonly { path: string; method?: string; headers?: Record<string, string>; expected: RegExp }[] = [
  { path: "/v1/models", expected: /^200 \{"object":"list","data":\[\{"id":"only\/sk-/ },
  { path: "/api/v1/models?limit=20&detailed=false", expected: /^200 \{"object":"list"/ },
  { path: "/basic/v1/models", expected: /^200 \{"object":"list","data":\[[^[\]]*\]\}$/ },
  { path: "//v1/v1/models/", expected: /^200 \{"object":"list"/ },
  { path: `/v1/models/${OWN}`, expected: /^200 \{"id":"only\/sk-/ },
  { path: "/v1/models/none/such", expected: /^404 .*model_not_found/ },
  { path: "/v1/models", method: "HEAD", expected: /^200 $/ },
  { path: "/v1/models", headers: { "if-none-match": "*" }, expected: /^304 $/ },
  { path: "/v1/models", headers: { "if-none-match": '"other"' }, expected: /^200 \{"object":"list"/ },
  { path: "/v1/models", headers: { authorization: "", "x-api-key": KEY }, expected: /^200 \{"object":"list"/ },
];

describe("200 concurrent requests with one key", () => {
  test("in every form that one list serves cost one upstream call", async () => {
    const { request, upstream } = await startHerd();
    upstream.delay(200);
    const answers = await sendConcurrently(200, async (index) => {
      const { path = "", expected, ...options } = VIEWS[index % VIEWS.length] ?? {};
      const { status, text } = await request(KEY, path, options);
      expect(`${status} ${text}`, path).toMatch(expected ?? /never/);
    });
    expect(answers).toHaveLength(200);
    expect(upstream.requests.map(({ key, target }) => [key, target])).toEqual([[KEY, "/personalized/v1/models"]]);
  });

  test("pipelined on ten connections cost one upstream call, and each connection gets its responses in order", async () => {
    const { keylane, upstream } = await startHerd();
    upstream.delay(200);
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    await sendConcurrently(10, async () => {
      const open = await openConnection(keylane.url);
      const requests = ids.map(
        (id) =>
          `GET /v1/models HTTP/1.1\nHost: a\nAuthorization: Bearer ${KEY}\nX-Request-Id: number-${id}-of-this\n\n`,
      );
      open.send(requests.join(""));
      const received = await open.until(/number-19-of-this[^]*"id":"shared\/model"/i);
      expect([...received.matchAll(/number-(\d+)-of-this/gi)].map(([, id]) => id)).toEqual(ids);
      expect(received.match(/HTTP\/1\.1 200 OK\r/g)).toHaveLength(ids.length);
      expect(received.split(`"${OWN}"`)).toHaveLength(ids.length + 1);
    });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe("30 concurrent requests with wrong keys", () => {
  test("cost one upstream call where the key is the same", async () => {
    const all = await startHerd();
    all.upstream.delay(100);
    const answers = await sendConcurrently(30, () => all.request(wrongKey(0)));
    expect(answers.map(errorOf)).toEqual(answers.map(() => UNAUTHORIZED));
    expect(all.upstream.requests).toHaveLength(1);
    expect(errorOf(await all.request(wrongKey(0), "/v1/models?sort=favorites"))).toEqual(UNAUTHORIZED);
    expect(all.upstream.requests).toHaveLength(1);
    await expectNotStored(all, [wrongKey(0)]);
  });

  test("cost one upstream call each, once, 16 at a time, where the keys differ", async () => {
    const all = await startHerd();
    all.upstream.delay(100);
    for (let repeat = 0; repeat < 2; repeat++) {
      const answers = await sendConcurrently(30, (index) => all.request(wrongKey(index)));
      expect(answers.map(errorOf)).toEqual(answers.map(() => UNAUTHORIZED));
      expect(new Set(all.upstream.requests.map(({ key }) => key)).size).toBe(30);
      expect(all.upstream.requests).toHaveLength(30);
    }
    expect(all.upstream.maxConcurrent()).toBe(16);
    await expectNotStored(
      all,
      Array.from({ length: 30 }, (_, index) => wrongKey(index)),
    );
  });
});

describe("a flood of unknown keys", () => {
  test("gets a 401 for each, while known keys are served first", async () => {
    const { request, stored, keylane, upstream } = await startHerd({
      STALE_WHILE_REVALIDATE: "1h",
      LIST_TIMEOUT: "15s",
    });
    const [stale, older, fresh] = [herdKey(1), herdKey(2), herdKey(3)];
    await request(older);
    await keylane.advance(3_700_000);
    await request(stale);
    await keylane.advance(120_000);
    await request(fresh);
    upstream.delay(100);
    const flood = sendConcurrently(400, (index) => request(wrongKey(index)));
    await expect.poll(() => upstream.requests.length, POLL).toBeGreaterThan(32);

    expect((await request(fresh)).headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
    expect((await request(stale)).headers["cache-status"]).toContain("detail=refreshing");
    // This fetch has a waiting client and a stored list, so it need not wait for the flood to end.
    expect((await request(older)).headers["cache-status"]).toBe("keylane; fwd=stale; stored");
    expect(upstream.requests.length).toBeLessThan(300);
    await expect.poll(async () => (await request(stale)).headers["age"], POLL).toMatch(/^\d$/);
    expect(upstream.requests.length).toBeLessThan(300);

    const answers = await flood;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(upstream.maxConcurrent()).toBe(16);
    for (const key of [stale, older, fresh]) expect(await stored(key)).toEqual(idsOf(key));
  });
});

async function expectNotStored({ stored, upstream }: Herd, keys: readonly string[]) {
  const count = upstream.requests.length;
  for (const key of keys) expect(await stored(key)).toBeUndefined();
  expect(upstream.requests).toHaveLength(count);
}
