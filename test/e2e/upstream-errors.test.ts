// Upstream's errors keep their status and text, without markup or the key on list routes, byte for byte on all others.
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const errorResponse = (body: unknown, status = 403, contentType = "application/json") =>
  ({
    kind: "status",
    status,
    body: typeof body === "string" ? body : JSON.stringify(body),
    contentType,
  }) as const;

describe("an upstream 4xx on a list route", () => {
  const full = { message: "No.", type: "t", code: "c", param: "p" };
  const plain = { message: expect.stringMatching(/^NanoGPT .*\.$/), code: null, param: null };
  test.for([
    ["OpenAI's envelope", { error: full }, full],
    [
      "without code and param",
      { error: { message: "No." } },
      { message: "No.", type: "permission_error", code: null, param: null },
    ],
    [
      "nulls",
      { error: { message: "No.", type: null, code: null, param: null } },
      { message: "No.", type: "permission_error", code: null },
    ],
    ["a code that is a number", { error: { message: "No.", code: 1234 } }, { message: "No.", code: "1234" }],
    ["a string as error", { error: "No." }, { message: "No.", type: "permission_error", code: null, param: null }],
    ["a string as error, with a code beside it", { error: "No.", code: "c" }, { message: "No.", code: "c" }],
    [
      "the flat form",
      { code: "c", message: "No." },
      { message: "No.", type: "permission_error", code: "c", param: null },
    ],
    ["a message alone", { message: "No." }, { message: "No.", code: null }],
    ["unknown fields", { error: { ...full, stack: "at /srv" }, trace: "t" }, full],
    ["objects instead of strings", { error: { message: { a: 1 }, code: ["c"] } }, plain],
    ["no envelope", { ok: false }, plain],
    ["a string", '"No."', plain],
    ["an empty body", "", plain],
    ["null", "null", plain],
    ["an array", "[1]", plain],
    ["truncated JSON", '{"error":{"message":"N', plain],
  ] as const)("keeps the message, type, code and param of: %s", async ([, body, expected]) => {
    const { list, nano } = await setup();
    nano.fail(errorResponse(body));
    const answer = await list(ALICE);
    expect(answer.status).toBe(403);
    expect(answer.headers["content-type"]).toBe("application/json");
    const { error, ...rest } = answer.json();
    expect(rest).toEqual({});
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
    expect(error).toMatchObject(expected);
  });

  test.for([
    [400, "invalid_request_error"],
    [401, "authentication_error"],
    [402, "invalid_request_error"],
    [403, "permission_error"],
    [404, "invalid_request_error"],
    [408, "invalid_request_error"],
    [418, "invalid_request_error"],
    [429, "rate_limit_error"],
    [451, "invalid_request_error"],
    [499, "invalid_request_error"],
  ] as const)("%i keeps its status, and has type %s unless upstream gives one", async ([status, type]) => {
    const { list, nano } = await setup();
    nano.fail(errorResponse({ error: { message: "No.", code: "c" } }, status));
    const answer = await list(ALICE);
    expect(answer.status).toBe(status);
    expect(answer.json().error).toEqual({ message: "No.", type, param: null, code: "c" });
    expect(answer.headers["www-authenticate"]).toBe(status === 401 ? "Bearer" : undefined);
  });

  test.for([
    ["text/html", "<!DOCTYPE html><html><body>Blocked</body></html>"],
    ["application/json", JSON.stringify({ error: { message: "<b>Blocked</b>", code: "<i>", param: "</p>" } })],
    ["application/json", JSON.stringify({ error: "Blocked <script>alert(1)</script>" })],
    ["application/json", JSON.stringify({ code: "c", message: "Blocked <!-- x -->" })],
    ["text/plain", "Blocked"],
  ])("never echoes markup: %s %s", async ([contentType, body]) => {
    const { list, nano } = await setup();
    nano.fail(errorResponse(body, 403, contentType));
    const answer = await list(ALICE);
    expect(answer.status).toBe(403);
    expect(answer.text).not.toMatch(/[<>]|Blocked/);
    expect(answer.json().error.message).toMatch(/^NanoGPT .*\.$/);
  });

  test.for([
    ["message", { error: { message: `The key ${ALICE} (${ALICE}) is bad.` } }],
    ["code, type and param", { error: { message: "No.", code: ALICE, type: `x${ALICE}`, param: ALICE } }],
    ["a string as error", { error: `Bearer ${ALICE}` }],
    ["the flat form", { code: "c", message: ALICE }],
    ["a string so long that it is truncated within the key", { message: "x".repeat(990) + ALICE }],
  ])("masks the key quoted in %s", async ([, body]) => {
    const { list, nano, keylane } = await setup();
    nano.fail(errorResponse(body));
    const answer = await list(ALICE);
    expect(answer.status).toBe(403);
    expect(answer.text).toContain("[key");
    expect(answer.text).not.toContain("sk-nano");
    expect((await keylane.log()).join("\n")).not.toMatch(/sk-nano|No\.|is bad/);
  });

  test("is repeated unchanged while it is remembered", async () => {
    const { list, nano } = await setup();
    nano.fail(errorResponse({ error: { message: "No.", code: "c" } }));
    const first = await list(ALICE);
    const second = await list(ALICE);
    expect(second.status).toBe(403);
    expect(second.text).toBe(first.text);
    expect(nano.lists()).toHaveLength(1);
  });

  test("keeps NanoGPT's code for an unknown key, a daily limit, an origin that is not allowed and a rate limit", async () => {
    const keys = ["sk-nano-test-used-up", "sk-nano-test-bound"];
    const { list, nano } = await setup({}, [
      { key: ALICE },
      { key: keys[0] ?? "", dailyLimit: 0 },
      { key: keys[1] ?? "", origins: ["https://chat.example.org"] },
    ]);
    nano.fail({ kind: "rate-limited", retryAfter: 12 }, { key: ALICE });
    const answers = [];
    for (const key of ["sk-nano-test-nobody", ...keys, ALICE]) answers.push(await list(key));
    expect(answers.map(({ status }) => status)).toEqual([401, 429, 403, 429]);
    expect(answers.map((answer) => answer.json().error.code)).toEqual([
      "invalid_api_key",
      "daily_rpd_limit_exceeded",
      "api_key_origin_not_allowed",
      "rate_limited",
    ]);
    expect(answers[3]?.headers["retry-after"]).toBe("12");
  });
});

describe("an upstream error on a passthrough call", () => {
  const page = "<html><body>Bad <b>gateway</b></body></html>";
  test.for([
    [400, "application/json", '{"error":"No.", "x":1.0}'],
    [401, "application/json", `{"error":{"message":"bad key ${ALICE}"}}`],
    [402, "application/json", '{"x402Version":1}'],
    [429, "text/plain", "slow down"],
    [500, "text/html", page],
    [502, "text/html; charset=utf-8", page],
    [504, "application/json", "{}"],
    [529, "application/json", '{"type":"error","error":{"type":"overloaded_error"}}'],
  ] as const)("%i is passed on unchanged", async ([status, contentType, body]) => {
    const { list, nano } = await setup();
    nano.fail({ kind: "status", status, body, contentType, headers: { "retry-after": "x" } }, { path: "/chat" });
    const answer = await list(ALICE, { method: "POST", path: "/v1/chat/completions", body: "{}" });
    expect(answer.status).toBe(status);
    expect(answer.text).toBe(body);
    expect(answer.headers).toMatchObject({
      "content-type": contentType,
      "retry-after": "x",
      "x-standin": "1",
    });
  });

  test("a redirect is passed on unchanged", async () => {
    const { list, nano } = await setup();
    nano.fail({ kind: "redirect", status: 307 }, { path: "/echo" });
    const answer = await list(ALICE, { path: "/v1/echo" });
    expect(answer.status).toBe(307);
    expect(answer.headers["location"]).toBe("https://elsewhere.invalid/models");
  });
});
