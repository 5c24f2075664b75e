// The deployed bundle reads its bindings, hides the client from upstream, and serves nothing with bad settings.
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { headerNames, plainCall, headerValues } from "../support/plain-call.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";
import { startEdgeStores } from "../support/worker/edge-stores.ts";
import { startWorkerd } from "../support/worker/workerd.ts";

const ECHO = "/v1/echo";
const fields = `Authorization: Bearer ${ALICE}`;

const isEdgeHeader = (name: string) => /^(?:cf-|cdn-|x-real|x-forwarded)/.test(name);

/** Starts the deployed bundle with these text bindings, and optionally with a KV namespace. */
async function startDeployed(bindings: Record<string, string> = {}, hasLists = false) {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  const [cache, lists] = [await startEdgeStores(), await startEdgeStores()];
  const workerd = await startWorkerd(
    inject("deployedWorker"),
    { UPSTREAM_URL: nano.url, ...bindings },
    { cache: cache.address, lists: hasLists ? lists.address : undefined },
  );
  onTestFinished(async () => {
    await Promise.all([workerd.stop(), nano.stop(), cache.stop(), lists.stop()]);
  });
  const log = () => workerd.output.join("");
  return {
    nano,
    cache,
    lists,
    log,
    call: (path: string, more = "") => plainCall(workerd.url + path, { fields: `${fields}\n${more}` }),
  };
}

describe("the deployed Worker", () => {
  test("serves a list from its cache, and passes other calls through", async () => {
    const { nano, call } = await startDeployed();
    const first = await call("/v1/models");
    const second = await call("/v1/models");
    expect(
      JSON.parse(first.text)
        .data.map(({ id }: { id: string }) => id)
        .sort(),
    ).toEqual([...(ACCOUNTS[0]?.visible ?? [])].sort());
    expect(second.text).toBe(first.text);
    expect(headerValues(second.rawHeaders, "cache-status")[0]).toMatch(/^keylane; hit; ttl=\d+$/);
    expect((await call(ECHO)).status).toBe(200);
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models", "/api/v1/echo"]);
  });

  test("takes its settings from its bindings", async () => {
    const { nano, call } = await startDeployed({
      MODELS_LIST: "subscription",
      MAX_AGE: "20m",
      CORS_ORIGIN: "https://app.example",
      MAX_BODY_SIZE: "1KB",
    });
    const { rawHeaders } = await call("/v1/models", "Origin: https://app.example");
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/subscription/v1/models"]);
    expect(headerValues(rawHeaders, "access-control-allow-origin")).toEqual(["https://app.example"]);
    const again = await call("/v1/models", "Origin: https://app.example");
    expect(headerValues(again.rawHeaders, "cache-status")[0]).toMatch(/^keylane; hit; ttl=1[12]\d\d$/);
    expect((await call(ECHO, "Content-Length: 1025")).status).toBe(413);
  });

  test("writes one JSON line per request, with no key or query value in it", async () => {
    const { log, call } = await startDeployed({ CACHE_SECRET: "a-secret-of-more-than-thirty-two-characters" });
    await call("/v1/models?x=hush");
    await call(`${ECHO}/hush?x=hush`);
    await expect.poll(() => log().match(/"msg":"request"/g)?.length).toBe(2);
    const lines = log()
      .split("\n")
      .filter((line) => line.includes('"msg":"request"'));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "info", method: "GET", route: "models", status: 200, cache: "miss", time: expect.any(Number) },
      { level: "info", method: "GET", route: "passthrough", status: 200, id: expect.any(String) },
    ]);
    expect(log()).not.toMatch(new RegExp(`${ALICE}|hush|more-than-thirty`));
  });

  test("does not send upstream the headers that Cloudflare adds about the client", async () => {
    const { nano, call } = await startDeployed();
    const added = `CF-Connecting-IP: 192.0.2.7
      CF-Ray: 1
      CF-IPCountry: DE
      CF-Visitor: {"scheme":"https"}
      CF-Worker: keylane.example
      CDN-Loop: cloudflare; loops=1
      X-Real-IP: 192.0.2.7
      X-Forwarded-Proto: https
      X-Mine: kept`;
    await call(ECHO, added);
    await call("/v1/models", added);
    const [echoed, listed] = nano.seen.map(({ rawHeaders }) => headerNames(rawHeaders));
    expect(echoed?.filter(isEdgeHeader)).toEqual([]);
    expect(echoed).toContain("x-mine");
    expect(listed?.filter(isEdgeHeader)).toEqual([]);
    expect(listed).not.toContain("x-mine");
  });
});

describe("the remote store of a Worker", () => {
  const CACHE_SECRET = "a-secret-of-more-than-thirty-two-characters";

  test("is the Cache API", async () => {
    const { cache, call } = await startDeployed({ CACHE_SECRET });
    await call("/v1/models");
    await expect.poll(() => cache.values.size).toBe(1);
  });

  test("is the KV namespace if one is bound", async () => {
    const { cache, lists, call, log } = await startDeployed({ CACHE_SECRET, LOG_LEVEL: "warn" }, true);
    await call("/v1/models");
    await expect.poll(() => lists.values.size).toBe(1);
    expect(cache.seen).toEqual([]);
    expect(log()).not.toContain("LISTS");
  });

  test("is not used without a secret, which is logged once", async () => {
    const { cache, lists, call, log } = await startDeployed({ LOG_LEVEL: "warn" }, true);
    for (const path of ["/v1/models", "/v1/models?detailed=true"]) expect((await call(path)).status).toBe(200);
    await call("/v1/models", "Cache-Control: no-cache");
    expect([...cache.seen, ...lists.seen]).toEqual([]);
    expect(log().match(/LISTS is not used without CACHE_SECRET/g)).toHaveLength(1);
  });

  test("is not Redis, which is logged once", async () => {
    const bindings = { REDIS_URL: "redis://:hush@127.0.0.1:1", LOG_LEVEL: "warn" };
    const { cache, call, log } = await startDeployed(bindings);
    for (const path of ["/v1/models", "/v1/models?detailed=true"]) expect((await call(path)).status).toBe(200);
    expect(cache.seen).toEqual([]);
    expect(log().match(/REDIS_URL is not used on Workers/g)).toHaveLength(1);
    expect(log()).not.toContain("hush");
  });

  test("does not make COMPRESS_UPLOADS usable, which is logged once", async () => {
    const { call, log } = await startDeployed({ COMPRESS_UPLOADS: "true", LOG_LEVEL: "warn" });
    for (const path of ["/v1/models", "/v1/models?detailed=true"]) expect((await call(path)).status).toBe(200);
    expect(log().match(/COMPRESS_UPLOADS is not used on Workers/g)).toHaveLength(1);
  });

  test("cannot be a text binding: that is a bad setting", async () => {
    const { call, log } = await startDeployed({ CACHE_SECRET, LISTS: "lists" });
    expect((await call("/v1/models")).status).toBe(500);
    await expect.poll(log).toContain("Cannot start: LISTS must be a KV namespace");
  });
});

describe("the Worker with bad settings", () => {
  const bad = { MAX_AGE: "1 minute", MODELS_LIST: "mine", CACHE_SECRET: "hush" };

  test("responds with 500 to every call, without showing a setting", async () => {
    const { nano, call } = await startDeployed(bad);
    for (const path of ["/v1/models", ECHO, "/healthz", "/"]) {
      const { status, text, rawHeaders } = await call(path);
      expect({ status, type: headerValues(rawHeaders, "content-type") }).toEqual({
        status: 500,
        type: ["application/json"],
      });
      expect(JSON.parse(text).error).toMatchObject({
        code: "bad_settings",
        type: "server_error",
        param: null,
      });
      expect(text).not.toMatch(/1 minute|MAX_AGE|hush|mine/);
    }
    expect(nano.seen).toHaveLength(0);
  });

  test("names them in the log, but never the value of a secret", async () => {
    const { log, call } = await startDeployed(bad);
    await call("/v1/models");
    await expect.poll(log).toContain("Cannot start:");
    for (const name of Object.keys(bad)) expect(log().match(new RegExp(`${name} must be`, "g"))).toHaveLength(1);
    expect(log()).toContain('got "1 minute"');
    expect(log()).not.toContain("hush");
  });
});
