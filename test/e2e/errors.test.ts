// Every error of Keylane's own has OpenAI's envelope and the documented status, code, type and Retry-After.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { rawCall } from "../support/nanogpt/raw-call.ts";
import { ALICE, setup, type Answer } from "../support/setup.ts";

/** Asserts what all of Keylane's errors have in common, and returns the `error` object. */
function checkedErrorOf(answer: Answer): Record<string, unknown> {
  expect(answer.headers["content-type"]).toBe("application/json");
  expect(answer.headers["content-length"]).toBe(String(answer.body.length));
  expect(answer.headers["cache-control"]).toBe("no-store");
  const { error, ...rest } = answer.json();
  expect(rest).toEqual({});
  expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
  expect(error.message).toMatch(/^[A-Z].*\.$/);
  return error;
}

describe("an error of Keylane's own", () => {
  const conflicting = { authorization: `Bearer ${ALICE}`, "x-api-key": "sk-nano-test-other" };
  const key = { "x-api-key": ALICE };
  test.for([
    [400, "bad_request", "invalid_request_error", "GET", "/v1/%00", key],
    [400, "ambiguous_credentials", "invalid_request_error", "GET", "/v1/models", conflicting],
    [401, "missing_api_key", "authentication_error", "GET", "/v1/models", {}],
    [401, "missing_api_key", "authentication_error", "DELETE", "/v1/models", {}],
    [401, "invalid_api_key", "authentication_error", "GET", "/v1/models/a", { "x-api-key": "a key" }],
    [404, "not_found", "invalid_request_error", "GET", "/foo", key],
    [404, "model_not_found", "invalid_request_error", "GET", "/v1/models/unknown", key],
    [405, "method_not_allowed", "invalid_request_error", "POST", "/v1/models", key],
    [413, "body_too_large", "invalid_request_error", "POST", "/v1/echo", key],
    [421, "misdirected_request", "invalid_request_error", "GET", "/v1/models", { ...key, host: "elsewhere" }],
    [504, "not_cached", "server_error", "GET", "/v1/models", { ...key, "cache-control": "only-if-cached" }],
  ] as const)("%i %s, %s: %s %s", async ([status, code, type, method, path, headers]) => {
    const { call } = await setup({ ALLOWED_HOSTS: "127.0.0.1", MAX_BODY_SIZE: "4" });
    const answer = await call(path, { method, headers, ...(method === "POST" ? { body: "12345" } : {}) });
    expect(answer.status).toBe(status);
    expect(checkedErrorOf(answer)).toMatchObject({ code, type });
    expect(answer.headers["www-authenticate"]).toBe(status === 401 ? "Bearer" : undefined);
    expect(answer.headers["retry-after"]).toBeUndefined();
    expect(answer.text).not.toContain(ALICE);
  });

  test("431 headers_too_large: headers over the limit", async ({ skip }) => {
    if (runtime === "workerd") skip("workerd has its own limit and response");
    const { keylane } = await setup();
    const response = await rawCall(keylane.url, "/v1/models", [`x-long: ${"x".repeat(20_000)}`]);
    expect(response.head).toMatch(/^HTTP\/1\.1 431 /);
    expect(JSON.parse(response.body.toString()).error).toMatchObject({ code: "headers_too_large" });
  });
});

describe("a failed list request", () => {
  const json = { kind: "status", status: 200, contentType: "application/json" } as const;
  const html = "<html><body>Bad gateway, says cloud</body></html>";
  test.for([
    ["500", 502, "upstream_error", { ...json, status: 500, body: '{"error":{"message":"secret"}}' }],
    ["501", 502, "upstream_error", { ...json, status: 501 }],
    ["502 from a proxy", 502, "upstream_error", { ...json, status: 502, body: html, contentType: "text/html" }],
    ["503", 503, "upstream_unavailable", { ...json, status: 503, body: html }],
    ["504", 502, "upstream_error", { ...json, status: 504 }],
    ["520", 502, "upstream_error", { ...json, status: 520 }],
    ["a redirect", 502, "upstream_invalid_response", { kind: "redirect" }],
    [
      "a permanent redirect to itself",
      502,
      "upstream_invalid_response",
      { kind: "redirect", status: 308, location: "/api/v1/models" },
    ],
    ["304", 502, "upstream_invalid_response", { kind: "status", status: 304 }],
    ["204", 502, "upstream_invalid_response", { kind: "no-content" }],
    ["201", 502, "upstream_invalid_response", { ...json, status: 201, body: '{"data":[{"id":"a"}]}' }],
    ["an HTML page", 502, "upstream_invalid_response", { kind: "html" }],
    ["an HTML page labelled as JSON", 502, "upstream_invalid_response", { kind: "html-as-json" }],
    ["an error with 200", 502, "upstream_invalid_response", { kind: "error-200" }],
    ["truncated JSON", 502, "upstream_invalid_response", { kind: "bad-json" }],
    ["JSON that is not a list", 502, "upstream_invalid_response", { kind: "not-a-list" }],
    ["an array", 502, "upstream_invalid_response", { kind: "array" }],
    ["JSON nested too deeply", 502, "upstream_invalid_response", { kind: "deep-json" }],
    ["a body over LIST_MAX_SIZE", 502, "upstream_invalid_response", { kind: "too-large", bytes: 100_000 }],
  ] as const)("%s is %i %s", async ([, status, code, fault]) => {
    const { list, nano } = await setup({ LIST_MAX_SIZE: "64KB" });
    nano.fail(fault);
    for (const path of ["/v1/models", "/v1/models/openai/gpt-4-turbo"]) {
      const answer = await list(ALICE, { path });
      expect(answer.status).toBe(status);
      expect(checkedErrorOf(answer)).toMatchObject({ code, type: "server_error", param: null });
      expect(answer.headers["retry-after"]).toMatch(/^[1-5]$/);
      expect(answer.headers["location"]).toBeUndefined();
      expect(answer.text).not.toMatch(/secret|<|cloud|elsewhere/);
    }
    expect(nano.seen).toHaveLength(1);
  });

  test("a timeout is 504 upstream_timeout, before the headers and in the body", async () => {
    const { list, nano } = await setup({ LIST_TIMEOUT: "300ms" });
    nano.hold({ times: 1 });
    nano.fail({ kind: "drip", bytes: 1, everyMs: 20 }, { path: "/paid/" });
    const answers = await Promise.all([list(ALICE), list(ALICE, { path: "/paid/v1/models" })]);
    for (const answer of answers) {
      expect(answer.status).toBe(504);
      expect(checkedErrorOf(answer)).toMatchObject({ code: "upstream_timeout", type: "server_error" });
      expect(answer.headers["retry-after"]).toMatch(/^[1-5]$/);
    }
  });

  test("a closed port is 502 upstream_unreachable", async () => {
    const { list, nano } = await setup();
    await nano.pause();
    const answer = await list(ALICE);
    expect(answer.status).toBe(502);
    expect(checkedErrorOf(answer)).toMatchObject({ code: "upstream_unreachable", type: "server_error" });
    expect(answer.text).not.toContain(new URL(nano.origin).port);
  });
});

describe("Retry-After", () => {
  test.for([
    ["429 without it: the rest of REFUSAL_MAX_AGE", 429, undefined, 5, 2],
    ["429 with it", 429, "20", 20, 17],
    ["429 with less than REFUSAL_MAX_AGE", 429, "1", 5, 2],
    ["429 with a long time, sent in full", 429, "3600", 3600, 3597],
    ["503 with it", 503, "9", 9, 6],
    ["500 with an invalid value", 500, "later", 5, 2],
    ["408", 408, undefined, 5, 2],
    ["425", 425, "7", 7, 4],
  ] as const)("%s", async ([, status, sent, first, later]) => {
    const { list, keylane, nano } = await setup();
    const headers = sent === undefined ? {} : { "retry-after": sent };
    nano.fail({ kind: "status", status, headers });
    expect((await list(ALICE)).headers["retry-after"]).toBe(String(first));
    await keylane.advance(3_000);
    expect((await list(ALICE)).headers["retry-after"]).toBe(String(later));
    expect(nano.seen).toHaveLength(1);
  });

  test("that was a date is sent in seconds", async () => {
    const { list, nano } = await setup();
    const at = new Date(Date.now() + 30_000).toUTCString();
    nano.fail({ kind: "status", status: 503, headers: { "retry-after": at } });
    expect((await list(ALICE)).headers["retry-after"]).toMatch(/^(?:29|30)$/);
  });

  test.for([400, 401, 402, 403, 404])("is absent from %i, where waiting does not help", async (status) => {
    const { list, nano } = await setup();
    nano.fail({ kind: "status", status, body: "{}" });
    const answer = await list(ALICE);
    expect(answer.status).toBe(status);
    expect(answer.headers["retry-after"]).toBeUndefined();
  });
});
