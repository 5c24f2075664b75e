// Every accepted spelling of a base URL reaches its list, model or passthrough target; other targets are rejected.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { rawCall } from "../support/nanogpt/raw-call.ts";
import { ALICE, setup } from "../support/setup.ts";

const LISTS = [
  { prefix: "", upstream: "/api/personalized/v1/models" },
  { prefix: "/personalized", upstream: "/api/personalized/v1/models" },
  { prefix: "/subscription", upstream: "/api/subscription/v1/models" },
  { prefix: "/paid", upstream: "/api/paid/v1/models" },
];
const BASES = ["", "/api"].flatMap((api) =>
  LISTS.flatMap(({ prefix, upstream }) =>
    ["/v1", "/v1legacy", "/v1thinking"].map((version) => ({ base: api + prefix + version, upstream })),
  ),
);

describe("a list is served", () => {
  test.for([...BASES, { base: "", upstream: "/api/personalized/v1/models" }])(
    "under the base URL '$base', fetched from $upstream",
    async ({ base, upstream }) => {
      const { list, nano } = await setup();
      const forms = [
        `${base}/models`,
        `${base}/models/`,
        `/${base.replaceAll("/", "//")}//models///`,
        `${base}/chat/completions/models`,
        `/basic${base}/models`,
        ...(base === "" ? [] : [`${base}/v1/models`, `/${base}//v1/chat/completions/models/`]),
      ];
      for (const path of forms) {
        const answer = await list(ALICE, { path });
        expect({ path, status: answer.status }).toEqual({ path, status: 200 });
        expect(answer.headers["cache-status"]).toMatch(/^keylane; /);
      }
      expect(nano.seen.map(({ target }) => target)).toEqual([upstream]);

      for (const shape of ["detailed", "openrouter"])
        expect(await list(ALICE, { path: `/${shape}${base}/models` })).toMatchObject({ status: 200 });
      expect(nano.seen.map(({ target }) => target)).toEqual([upstream, `${upstream}?detailed=true`]);
    },
  );

  test("but /api/models is another endpoint, and passes through", async () => {
    const { list, nano } = await setup();
    for (const path of ["/api/models", "/basic/api/models/"]) {
      const answer = await list(ALICE, { path });
      expect(answer.status).toBe(200);
      expect(answer.headers["cache-status"]).toBeUndefined();
      expect(answer.json().models).toBeDefined();
    }
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/models", "/api/models/"]);
  });
});

describe("one model", () => {
  const ID = "NousResearch/Hermes-4-70B:thinking";
  test.for([
    "/v1/models/NousResearch/Hermes-4-70B:thinking",
    "/v1/models/NousResearch%2FHermes-4-70B%3Athinking",
    "/v1/models/NousResearch%2fHermes-4-70B%3athinking/",
    "/models/NousResearch/Hermes-4-70B%3Athinking",
    "/api/personalized/v1/models/NousResearch%2FHermes-4-70B:thinking",
    "/basic/v1/v1/models/NousResearch/Hermes-4-70B:thinking",
    "/v1/chat/completions/models/NousResearch/Hermes-4-70B:thinking",
  ])("is answered at %s", async (path) => {
    const { list, nano } = await setup();
    const answer = await list(ALICE, { path });
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ id: ID, object: "model" });
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models"]);
  });

  test.for([
    "/v1/models/NousResearch/hermes-4-70b:thinking",
    "/v1/models/NousResearch%2FHermes-4-70B%3AThinking",
    "/v1/models/NousResearch/Hermes-4-70B",
    "/v1/models/NousResearch",
    "/v1/models/x.css",
    "/v1/models/__proto__",
  ])("is not found at %s: ids are compared exactly", async (path) => {
    const { list } = await setup();
    const answer = await list(ALICE, { path });
    expect(answer.status).toBe(404);
    expect(answer.headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-store" });
    expect(answer.json().error).toMatchObject({ code: "model_not_found", type: "invalid_request_error" });
    expect(answer.text).not.toContain('"data"');
  });

  test("is deleted by a passthrough call, as in OpenAI's API", async () => {
    const { list, nano } = await setup();
    const answer = await list(ALICE, { method: "DELETE", path: "/basic/api/v1/models/ft%3Amine" });
    expect(answer.json()).toEqual({ id: "ft:mine", object: "model", deleted: true });
    expect(nano.seen.map(({ method, target }) => `${method} ${target}`)).toEqual(["DELETE /api/v1/models/ft%3Amine"]);
  });
});

describe("a passthrough call goes", () => {
  const ENDPOINTS = "chat/completions completions responses messages embeddings images/edits audio/speech";
  const withoutVersion = ENDPOINTS.split(" ").flatMap((endpoint) => [
    [`/${endpoint}`, `/api/v1/${endpoint}`],
    [`/basic/${endpoint}?a=%2F`, `/api/v1/${endpoint}?a=%2F`],
  ]);
  test.for([
    ["/v1/echo", "/api/v1/echo"],
    ["/api/v1/echo", "/api/v1/echo"],
    ["/basic/v1/echo", "/api/v1/echo"],
    ["/detailed/api/v1/echo", "/api/v1/echo"],
    ["/openrouter/v1/echo", "/api/v1/echo"],
    ["/v1/echo/a%2Fb%3Ac%20d//e/?q=%2F..%2f&q=/../x", "/api/v1/echo/a%2Fb%3Ac%20d//e/?q=%2F..%2f&q=/../x"],
    ["/v1/echo/basic/models", "/api/v1/echo/basic/models"],
    ["/v1/echo/...", "/api/v1/echo/..."],
    ["/v1", "/api/v1"],
    ["/v1beta/x", "/api/v1beta/x"],
    ["/v1/v1/messages", "/api/v1/v1/messages"],
    ["/v1/models;x.css", "/api/v1/models;x.css"],
    ["/v1/models.css", "/api/v1/models.css"],
    ["/personalized/v1/chat/completions", "/api/personalized/v1/chat/completions"],
    ["/api/generate-image", "/api/generate-image"],
    ["/api/chat/completions", "/api/chat/completions"],
    ["/api/models/a%2Fb/providers", "/api/models/a%2Fb/providers"],
    ["/api/hello", "/api/hello"],
    ...withoutVersion,
  ])("from %s to %s", async ([path = "", upstream]) => {
    const { call, nano } = await setup();
    const answer = await call(path, { method: "POST", body: "{}" });
    expect(answer.headers["x-standin"]).toBe("1");
    expect(nano.seen.map(({ target }) => target)).toEqual([upstream]);
    if (path.includes("echo")) expect(answer.headers["x-echo-target"]).toBe(upstream);
  });
});

describe("a target that two programs could interpret differently is rejected with 400:", () => {
  const targets = `/v1/../models /v1/%2e%2E/models /v1/.%2e/x /v1/./models /v1/%2e/models /v1/models/.. /v1/.. /..
    /v1/..%2fx /v1%2F..%2Fx /v1/x/..;a/y /v1/a\\b /v1/a%5Cb /v1/a%5cb /v1/a%00 /v1/a%0D%0AX:1 /v1/a%0ab
    /v1/a% /v1/a%2 /v1/a%zz/b /v1/models/%ff`;
  const nodeTargets = "http://elsewhere.invalid/v1/models https://nano-gpt.com/api/v1/echo *";
  const rows = targets.split(/\s+/).concat(runtime === "node" ? nodeTargets.split(" ") : []);
  test.for(rows)("%s", async (target) => {
    const { keylane, nano } = await setup();
    const response = await rawCall(keylane.url, target, [`x-api-key: ${ALICE}`, "Connection: close"]);
    expect(response.head).toMatch(/^HTTP\/1\.1 400 /);
    expect(response.head).toMatch(/^access-control-allow-origin: \*\r$/im);
    expect(response.body.toString()).toContain('"code":"bad_request"');
    expect(nano.seen).toEqual([]);
  });

  test("one with two Host headers", async ({ skip }) => {
    if (runtime === "workerd") skip("workerd answers it itself");
    const { keylane, nano } = await setup();
    const response = await rawCall(keylane.url, "/v1/models", ["Host: another", `x-api-key: ${ALICE}`]);
    expect(response.head).toMatch(/^HTTP\/1\.1 400 /);
    expect(response.body.toString()).toContain('"code":"bad_request"');
    expect(nano.seen).toEqual([]);
  });
});

describe("no route matches", () => {
  test.for([
    "/foo",
    "/modelsx",
    "/model",
    "/v2/models",
    "/personalized/models",
    "/openrouter",
    "/api",
    "/healthz/x",
    "/basic/detailed/v1/models",
    "/basic/healthz",
    "/MODELS",
    "/favicon.ico",
    "/chat",
  ])("%s", async (path) => {
    const { list, nano } = await setup();
    const answer = await list(ALICE, { path });
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.json().error).toMatchObject({ code: "not_found", type: "invalid_request_error" });
    expect(nano.seen).toEqual([]);
  });

  test.for([
    ["POST", "/v1/models", "GET, HEAD, DELETE, PURGE, OPTIONS"],
    ["PATCH", "/api/paid/v1/models/", "GET, HEAD, DELETE, PURGE, OPTIONS"],
    ["PUT", "/v1/models/a/b", "GET, HEAD, DELETE, OPTIONS"],
    ["POST", "/", "GET, HEAD, OPTIONS"],
    ["DELETE", "/healthz", "GET, HEAD, OPTIONS"],
    ["PUT", "/readyz", "GET, HEAD, OPTIONS"],
  ])("%s %s: 405, Allow: %s", async ([method = "", path = "", allow]) => {
    const { list, nano } = await setup();
    const answer = await list(ALICE, { method, path });
    expect(answer.status).toBe(405);
    expect(answer.headers["allow"]).toBe(allow);
    expect(answer.json().error.code).toBe("method_not_allowed");
    expect(nano.seen).toEqual([]);
  });
});
