// A key identifies the same client however it is sent; missing, invalid and ambiguous credentials never reach upstream.
import { describe, expect, test } from "vitest";
import { rawCall } from "../support/nanogpt/raw-call.ts";
import { ALICE, BOB, setup, type Answer } from "../support/setup.ts";
import { errorOf, storedList, OLD } from "../support/stale-setup.ts";

const MISSING = { status: 401, code: "missing_api_key" };
const INVALID = { status: 401, code: "invalid_api_key" };
const AMBIGUOUS = { status: 400, code: "ambiguous_credentials" };
const HIT = /^keylane; hit; ttl=\d+$/;
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe("a key", () => {
  test.each([
    { authorization: `bearer ${ALICE}` },
    { authorization: `BEARER ${ALICE}` },
    { authorization: `bEaReR   ${ALICE}` },
    { "x-api-key": ALICE },
    { "X-API-Key": ALICE },
    { authorization: `Bearer ${ALICE}`, "x-api-key": ALICE },
    { authorization: "Bearer", "x-api-key": ALICE },
    { authorization: "Bearer undefined", "x-api-key": ALICE },
    { authorization: "Bearer null", "x-api-key": ALICE },
    { authorization: `Bearer ${ALICE}`, "x-api-key": "undefined" },
    { authorization: `Bearer ${ALICE}`, "x-api-key": "" },
  ])("identifies the same client however it is sent: %o", async (headers) => {
    const { call, list, nano } = await setup();
    await list(ALICE);
    const answer = await call("/v1/models", { headers });
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toMatch(HIT);
    expect(nano.lists()).toHaveLength(1);
  });

  test.each(["k", "x".repeat(512), "a-B_9.~+/:=", "0b9c1d2e3f", "sk-nano-other"])(
    "may have any valid form: %s",
    async (key) => {
      const { list } = await setup({}, [{ key, visible: OLD }]);
      expect((await list(key)).ids()).toEqual(OLD);
    },
  );

  test("is compared exactly, case included", async () => {
    const { list } = await setup({}, [{ key: ALICE, visible: OLD }]);
    await list(ALICE);
    expect(errorOf(await list(ALICE.toUpperCase()))).toEqual(INVALID);
  });
});

function expectRejected(answer: Answer, error: { status: number; code: string }): void {
  expect(errorOf(answer)).toEqual(error);
  const { type, param, message } = answer.json().error;
  expect({ type, param }).toEqual({
    type: error.status === 401 ? "authentication_error" : "invalid_request_error",
    param: null,
  });
  expect(message).toMatch(/^Send .*\.$/);
  expect(answer.headers["content-type"]).toBe("application/json");
  expect(answer.headers["www-authenticate"]).toBe(error.status === 401 ? "Bearer" : undefined);
}

describe.each(["GET", "HEAD"])("%s of a list is rejected without a request to upstream", (method) => {
  test.each<{ given: string; headers: Record<string, string>; error: typeof MISSING; path?: string }>([
    { given: "no credential", headers: {}, error: MISSING },
    { given: "an empty Bearer", headers: { authorization: "Bearer" }, error: MISSING },
    { given: "an empty Bearer and a space", headers: { authorization: "Bearer " }, error: MISSING },
    { given: "an empty Authorization", headers: { authorization: "" }, error: MISSING },
    { given: "Bearer undefined", headers: bearer("undefined"), error: MISSING },
    { given: "Bearer null", headers: bearer("null"), error: MISSING },
    { given: "bearer null", headers: { authorization: "bearer null" }, error: MISSING },
    { given: "an empty x-api-key", headers: { "x-api-key": "" }, error: MISSING },
    { given: "x-api-key undefined", headers: { "x-api-key": "undefined" }, error: MISSING },
    { given: "both headers, both empty", headers: { ...bearer("null"), "x-api-key": "" }, error: MISSING },
    { given: "over 512 bytes", headers: bearer("x".repeat(513)), error: INVALID },
    { given: "over 512 bytes in x-api-key", headers: { "x-api-key": "x".repeat(513) }, error: INVALID },
    { given: "a space inside", headers: bearer(`${ALICE} ${ALICE}`), error: INVALID },
    { given: "a quote", headers: bearer(`"${ALICE}"`), error: INVALID },
    { given: "a semicolon", headers: bearer(`${ALICE};x`), error: INVALID },
    { given: "angle brackets", headers: bearer("<your-key>"), error: INVALID },
    { given: "braces", headers: bearer("{{API_KEY}}"), error: INVALID },
    { given: "an asterisk", headers: bearer("****"), error: INVALID },
    { given: "Latin-1", headers: { "x-api-key": "sk-\u00fc" }, error: INVALID },
    { given: "Bearer twice in one header", headers: bearer(`Bearer ${ALICE}`), error: INVALID },
    { given: "Basic", headers: { authorization: "Basic YTpi" }, error: INVALID },
    { given: "Token", headers: { authorization: `Token ${ALICE}` }, error: INVALID },
    { given: "no scheme", headers: { authorization: ALICE }, error: INVALID },
    { given: "a colon after the scheme", headers: { authorization: `Bearer:${ALICE}` }, error: INVALID },
    { given: "two different keys", headers: { ...bearer(ALICE), "x-api-key": BOB }, error: AMBIGUOUS },
    { given: "a key in the query", headers: {}, path: `?api_key=${ALICE}`, error: MISSING },
    { given: "a key in the query, as key", headers: {}, path: `?key=${ALICE}`, error: MISSING },
    { given: "a token in the query", headers: {}, path: `?access_token=${ALICE}`, error: MISSING },
    { given: "a header in the query", headers: {}, path: `?authorization=Bearer%20${ALICE}`, error: MISSING },
    { given: "a key in the path", headers: {}, path: `/${ALICE}`, error: MISSING },
  ])("$given", async ({ headers, error, path = "" }) => {
    const { call, nano } = await setup();
    const answer = await call(`/v1/models${path}`, { method, headers });
    if (method === "GET") expectRejected(answer, error);
    else expect([answer.status, answer.text]).toEqual([error.status, ""]);
    expect(nano.seen).toHaveLength(0);
  });
});

describe("a credential header sent twice", () => {
  test.each([
    ["Authorization, different", [`Authorization: Bearer ${ALICE}`, `Authorization: Bearer ${BOB}`]],
    ["Authorization, the same", [`Authorization: Bearer ${ALICE}`, `Authorization: Bearer ${ALICE}`]],
    ["Authorization, one empty", ["Authorization: Bearer", `Authorization: Bearer ${ALICE}`]],
    ["x-api-key, different", [`x-api-key: ${ALICE}`, `X-API-KEY: ${BOB}`]],
    ["x-api-key, the same", [`x-api-key: ${ALICE}`, `x-api-key: ${ALICE}`]],
    [
      "x-api-key, beside a valid Authorization",
      [`Authorization: Bearer ${ALICE}`, `x-api-key: ${ALICE}`, `x-api-key: ${ALICE}`],
    ],
  ] as const)("is ambiguous: %s", async (_, lines) => {
    const { keylane, nano } = await setup();
    const { head, body } = await rawCall(keylane.url, "/v1/models", lines);
    expect(head).toMatch(/^HTTP\/1.1 400 /);
    expect(body.toString()).toContain('"ambiguous_credentials"');
    expect(nano.seen).toHaveLength(0);
  });
});

describe("Origin", () => {
  const PAGE = "https://chat.example.org";
  const accounts = [{ key: ALICE, visible: OLD, origins: [PAGE] }];

  test("is forwarded, and is part of the cache key", async () => {
    const all = await setup({ REFUSAL_MAX_AGE: "0s" }, accounts);
    const { list, nano } = all;
    expect((await list(ALICE, { headers: { origin: PAGE } })).ids()).toEqual(OLD);
    expect(nano.lists()[0]?.headers.origin).toBe(PAGE);
    expect(await storedList(all, ALICE, { headers: { origin: PAGE } })).toEqual(OLD);
    expect(await storedList(all, ALICE)).toBeUndefined();
    for (const headers of [{}, { origin: "https://other.example.org" }, { origin: "null" }]) {
      expect(errorOf(await list(ALICE, { headers }))).toEqual({
        status: 403,
        code: "api_key_origin_not_allowed",
      });
    }
    expect(await storedList(all, ALICE, { headers: { origin: PAGE } })).toEqual(OLD);
  });
});
