// Pages on other origins can use Keylane through CORS, and the browser cache never mixes the lists of two keys.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { describeWithBrowser, openPage, startServers } from "../support/browser.ts";
import { ALICE, BOB } from "../support/setup.ts";

const ALICE_IDS = ["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"];
const BOB_IDS = ["NousResearch/hermes-4-70b"];

interface Init {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly cache?: string;
  readonly body?: string;
}

interface FetchResult {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** Starts Keylane and opens a page on another port, which is another origin. */
async function openOtherOrigin(settings: Record<string, string> = {}) {
  const { nano, keylane } = await startServers(undefined, undefined, settings);
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Other</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { page } = await openPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const pageFetch = (path: string, init: Init = {}) =>
    page.evaluate<FetchResult | string>(`fetch(${JSON.stringify(keylane.url + path)}, ${JSON.stringify(init)}).then(
      async (answer) => ({ status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() }),
      (error) => String(error),
    )`) as Promise<FetchResult>;
  const listOf = async (key: string, init: Init = {}) => {
    const { text } = await pageFetch("/v1/models", {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...init.headers },
    });
    return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id).sort();
  };
  /** Method, route and status of every request in the access log so far. */
  const accessLog = async () =>
    (await keylane.log())
      .map((line) => JSON.parse(line) as { msg: string; route?: string; status?: number; method?: string })
      .flatMap(({ msg, route, status, method }) => (msg === "request" ? [`${method} ${route} ${status}`] : []));
  return { nano, keylane, page, pageFetch, listOf, accessLog };
}

// Headers that the OpenAI SDK sends from a browser, and those that chat programs add.
const STAINLESS = ["arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout"];
const SDK_HEADERS: Record<string, string> = {
  authorization: `Bearer ${ALICE}`,
  "content-type": "application/json",
  "http-referer": "https://chat.example",
  "x-title": "Chat",
  "x-request-id": "mine-1",
  ...Object.fromEntries(STAINLESS.map((name) => [`x-stainless-${name}`, "1"])),
};

const errorOf = ({ status, text }: FetchResult) => [
  status,
  (JSON.parse(text) as { error: { code: string } }).error.code,
];

describeWithBrowser("a page on another origin", () => {
  test("may send 13 request headers with a list request and with a chat request", async () => {
    const { pageFetch, accessLog, nano } = await openOtherOrigin();
    expect(Object.keys(SDK_HEADERS)).toHaveLength(13);
    expect((await pageFetch("/v1/models", { headers: SDK_HEADERS })).status).toBe(200);
    const body = JSON.stringify({ model: "openai/gpt-4-turbo", messages: [{ role: "user", content: "hi" }] });
    const chat = await pageFetch("/v1/chat/completions", {
      method: "POST",
      headers: SDK_HEADERS,
      body,
    });
    expect(chat.status).toBe(200);
    expect(chat.text).toContain("grüße");
    expect((await pageFetch("/v1/models", { method: "DELETE", headers: SDK_HEADERS })).status).toBe(204);
    expect(await accessLog()).toEqual([
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

  test("can read the exposed headers of responses and of errors", async () => {
    const { pageFetch, nano } = await openOtherOrigin();
    const list = await pageFetch("/v1/models", { headers: SDK_HEADERS });
    expect(list.headers).toMatchObject({
      etag: expect.stringMatching(/^W\/"/),
      age: "0",
      "cache-status": "keylane; fwd=uri-miss; stored",
      "x-request-id": "mine-1",
    });
    nano.fail({ kind: "rate-limited", retryAfter: 20 });
    const rateLimited = await pageFetch("/paid/v1/models", { headers: SDK_HEADERS });
    expect(rateLimited.status).toBe(429);
    expect(rateLimited.headers).toMatchObject({ "retry-after": "20", "x-request-id": "mine-1" });
  });

  test("can read the error code of Keylane's and of NanoGPT's errors", async () => {
    const { pageFetch, nano } = await openOtherOrigin();
    const headers = { authorization: `Bearer ${ALICE}` };
    expect(errorOf(await pageFetch("/v1/models"))).toEqual([401, "missing_api_key"]);
    const unknownKey = { authorization: "Bearer sk-nano-test-nobody" };
    expect(errorOf(await pageFetch("/v1/models", { headers: unknownKey }))).toEqual([401, "invalid_api_key"]);
    expect(errorOf(await pageFetch("/v1/models/none", { headers }))).toEqual([404, "model_not_found"]);
    expect(errorOf(await pageFetch("/none", { headers }))).toEqual([404, "not_found"]);
    expect(errorOf(await pageFetch("/v1/models", { method: "PUT", headers }))).toEqual([405, "method_not_allowed"]);
    expect(errorOf(await pageFetch("/v1/chat%00", { method: "POST", headers }))).toEqual([400, "bad_request"]);
    await nano.pause();
    expect(errorOf(await pageFetch("/paid/v1/models", { headers }))).toEqual([502, "upstream_unreachable"]);
    expect(errorOf(await pageFetch("/v1/chat/completions", { method: "POST", headers, body: "{}" }))).toEqual([
      502,
      "upstream_unreachable",
    ]);
  });

  test("can read nothing unless its origin is listed", async () => {
    const { pageFetch } = await openOtherOrigin({ CORS_ORIGIN: "https://chat.example.org" });
    expect(await pageFetch("/v1/models", { headers: { authorization: `Bearer ${ALICE}` } })).toBe(
      "TypeError: Failed to fetch",
    );
  });

  test.for(["default", "force-cache"])(
    "never gets another key's list from the browser cache (%s), nor after a 304",
    async (cache) => {
      const { listOf, accessLog } = await openOtherOrigin();
      for (const [key, list] of [
        [ALICE, ALICE_IDS],
        [BOB, BOB_IDS],
        [ALICE, ALICE_IDS],
        [ALICE, ALICE_IDS],
        [BOB, BOB_IDS],
        [BOB, BOB_IDS],
        [ALICE, ALICE_IDS],
      ] as const) {
        expect(await listOf(key, { cache })).toEqual(list);
      }
      const xKey = async (key: string) => {
        const headers = { authorization: "", "x-api-key": key };
        return listOf(key, { cache, headers });
      };
      expect([await xKey(BOB), await xKey(ALICE), await xKey(BOB)]).toEqual([BOB_IDS, ALICE_IDS, BOB_IDS]);
      const lines = await accessLog();
      // Proves that the browser did revalidate a response from its cache.
      if (cache === "default") expect(lines).toContain("GET models 304");
    },
  );

  test("gets the changed list after a 304", async () => {
    const { listOf, accessLog, nano } = await openOtherOrigin();
    expect([await listOf(ALICE), await listOf(ALICE)]).toEqual([ALICE_IDS, ALICE_IDS]);
    expect(await accessLog()).toContain("GET models 304");
    nano.hide(ALICE, "openai/gpt-4-turbo");
    expect(await listOf(BOB)).toEqual(BOB_IDS);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await listOf(ALICE, { headers: { "cache-control": "no-cache" } })).toEqual(ALICE_IDS.slice(0, 1));
    expect([await listOf(BOB), await listOf(ALICE)]).toEqual([BOB_IDS, ALICE_IDS.slice(0, 1)]);
  });
});
