import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { behind, describeWithBrowser, open } from "../support/browser.ts";
import { ALICE, BOB } from "../support/setup.ts";

const HERS = ["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"];
const HIS = ["NousResearch/hermes-4-70b"];

interface Init {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly cache?: string;
  readonly body?: string;
}

interface Told {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** Keylane, and a page on another port, which is another origin. */
async function elsewhere(settings: Record<string, string> = {}) {
  const { nano, keylane } = await behind(undefined, undefined, settings);
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Elsewhere</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { page } = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const ask = (path: string, init: Init = {}) =>
    page.evaluate<Told | string>(`fetch(${JSON.stringify(keylane.url + path)}, ${JSON.stringify(init)}).then(
      async (answer) => ({ status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() }),
      (fault) => String(fault),
    )`) as Promise<Told>;
  const listOf = async (key: string, init: Init = {}) => {
    const { text } = await ask("/v1/models", {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...init.headers },
    });
    return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id).sort();
  };
  /** How Keylane answered requests so far, as its log has it. */
  const logged = async () =>
    (await keylane.log())
      .map((line) => JSON.parse(line) as { msg: string; route?: string; status?: number; method?: string })
      .flatMap(({ msg, route, status, method }) =>
        msg === "request" ? [`${method} ${route} ${status}`] : [],
      );
  return { nano, keylane, page, ask, listOf, logged };
}

// What the OpenAI SDK sends from a browser, and what chat programs add.
const STAINLESS = [
  "arch",
  "lang",
  "os",
  "package-version",
  "retry-count",
  "runtime",
  "runtime-version",
  "timeout",
];
const THIRTEEN: Record<string, string> = {
  authorization: `Bearer ${ALICE}`,
  "content-type": "application/json",
  "http-referer": "https://chat.example",
  "x-title": "Chat",
  "x-request-id": "mine-1",
  ...Object.fromEntries(STAINLESS.map((name) => [`x-stainless-${name}`, "1"])),
};

const code = ({ status, text }: Told) => [
  status,
  (JSON.parse(text) as { error: { code: string } }).error.code,
];

describeWithBrowser("a page on another origin", () => {
  test("may send 13 headers of its own, with a list call and with a chat", async () => {
    const { ask, logged, nano } = await elsewhere();
    expect(Object.keys(THIRTEEN)).toHaveLength(13);
    expect((await ask("/v1/models", { headers: THIRTEEN })).status).toBe(200);
    const body = JSON.stringify({ model: "openai/gpt-4-turbo", messages: [{ role: "user", content: "hi" }] });
    const chat = await ask("/v1/chat/completions", { method: "POST", headers: THIRTEEN, body });
    expect(chat.status).toBe(200);
    expect(chat.text).toContain("grüße");
    expect((await ask("/v1/models", { method: "DELETE", headers: THIRTEEN })).status).toBe(204);
    expect(await logged()).toEqual([
      "OPTIONS preflight 204",
      "GET models 200",
      "OPTIONS preflight 204",
      "POST passthrough 200",
      "OPTIONS preflight 204",
      "DELETE models 204",
    ]);
    const [call] = nano.seen.slice(-1);
    expect(call?.headers).toMatchObject({ "x-stainless-os": "1", "x-title": "Chat" });
  });

  test("reads the fields that are exposed, of answers and of errors", async () => {
    const { ask, nano } = await elsewhere();
    const list = await ask("/v1/models", { headers: THIRTEEN });
    expect(list.headers).toMatchObject({
      etag: expect.stringMatching(/^W\/"/),
      age: "0",
      "cache-status": "keylane; fwd=uri-miss; stored",
      "x-request-id": "mine-1",
    });
    nano.fail({ kind: "rate-limited", retryAfter: 20 });
    const refused = await ask("/paid/v1/models", { headers: THIRTEEN });
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({ "retry-after": "20", "x-request-id": "mine-1" });
  });

  test("reads why a call failed, whoever refused it", async () => {
    const { ask, nano } = await elsewhere();
    const headers = { authorization: `Bearer ${ALICE}` };
    expect(code(await ask("/v1/models"))).toEqual([401, "missing_api_key"]);
    const nobody = { authorization: "Bearer sk-nano-test-nobody" };
    expect(code(await ask("/v1/models", { headers: nobody }))).toEqual([401, "invalid_api_key"]);
    expect(code(await ask("/v1/models/none", { headers }))).toEqual([404, "model_not_found"]);
    expect(code(await ask("/none", { headers }))).toEqual([404, "not_found"]);
    expect(code(await ask("/v1/models", { method: "PUT", headers }))).toEqual([405, "method_not_allowed"]);
    expect(code(await ask("/v1/chat%00", { method: "POST", headers }))).toEqual([400, "bad_request"]);
    await nano.pause();
    expect(code(await ask("/paid/v1/models", { headers }))).toEqual([502, "upstream_unreachable"]);
    expect(code(await ask("/v1/chat/completions", { method: "POST", headers, body: "{}" }))).toEqual([
      502,
      "upstream_unreachable",
    ]);
  });

  test("reads nothing where its origin is not listed", async () => {
    const { ask } = await elsewhere({ CORS_ORIGIN: "https://chat.example.org" });
    expect(await ask("/v1/models", { headers: { authorization: `Bearer ${ALICE}` } })).toBe(
      "TypeError: Failed to fetch",
    );
  });

  test.for(["default", "force-cache"])(
    "never gets another key's list out of the browser's own cache (%s), nor after a 304",
    async (cache) => {
      const { listOf, logged } = await elsewhere();
      for (const [key, list] of [
        [ALICE, HERS],
        [BOB, HIS],
        [ALICE, HERS],
        [ALICE, HERS],
        [BOB, HIS],
        [BOB, HIS],
        [ALICE, HERS],
      ] as const) {
        expect(await listOf(key, { cache })).toEqual(list);
      }
      const xKey = async (key: string) => {
        const headers = { authorization: "", "x-api-key": key };
        return listOf(key, { cache, headers });
      };
      expect([await xKey(BOB), await xKey(ALICE), await xKey(BOB)]).toEqual([HIS, HERS, HIS]);
      const lines = await logged();
      // The browser does ask with what it holds, where it may.
      if (cache === "default") expect(lines).toContain("GET models 304");
    },
  );

  test("gets its list anew after a 304, once it has changed", async () => {
    const { listOf, logged, nano } = await elsewhere();
    expect([await listOf(ALICE), await listOf(ALICE)]).toEqual([HERS, HERS]);
    expect(await logged()).toContain("GET models 304");
    nano.hide(ALICE, "openai/gpt-4-turbo");
    expect(await listOf(BOB)).toEqual(HIS);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await listOf(ALICE, { headers: { "cache-control": "no-cache" } })).toEqual(HERS.slice(0, 1));
    expect([await listOf(BOB), await listOf(ALICE)]).toEqual([HIS, HERS.slice(0, 1)]);
  });
});
