import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";
import { IN_TIME } from "../support/worker/isolates.ts";
import { textsBeside } from "../support/worker/workerd.ts";

// Cloudflare's own simulators of the two stores, which are particular about what they take and for how long they keep it.
vi.setConfig({ testTimeout: 60_000 });

const STORES = [
  { name: "the Cache API", kvNamespaces: [] },
  { name: "a KV namespace", kvNamespaces: ["LISTS"] },
];

const headers = { authorization: `Bearer ${ALICE}` };
const noCache = { ...headers, "cache-control": "no-cache" };
const onlyIfCached = { ...headers, "cache-control": "only-if-cached" };

async function simulated(kvNamespaces: string[]) {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  const contents = readFileSync(inject("deployedWorker"), "utf8");
  const texts = textsBeside(inject("deployedWorker")).map((path) => {
    const contents = readFileSync(join(dirname(inject("deployedWorker")), path), "utf8");
    return { type: "Text" as const, path, contents };
  });
  const workers = ["one", "other"].map((name) => ({
    name,
    modules: [{ type: "ESModule" as const, path: `${name}.js`, contents }, ...texts],
    compatibilityDate: "2026-10-20",
    compatibilityFlags: ["enable_request_signal"],
    bindings: { UPSTREAM_URL: nano.url, CACHE_SECRET: "a secret that both share", LOG_LEVEL: "silent" },
    kvNamespaces,
  }));
  const miniflare = new Miniflare(convertV4MiniflareOptions({ workers, cf: false }));
  onTestFinished(async () => {
    await miniflare.dispose();
    await nano.stop();
  });
  const [one, other] = [await workerOf(miniflare, "one"), await workerOf(miniflare, "other")];
  const url = "http://keylane.example/v1/models";
  return {
    nano,
    ask: (init: { method?: string; headers: Record<string, string> }) => one.fetch(url, init),
    /** What the other Worker holds, or finds in the store. */
    found: async (fields: Record<string, string> = onlyIfCached) => {
      const answer = await other.fetch(url, { headers: fields });
      return { status: answer.status, text: await answer.text() };
    },
  };
}

// Miniflare's types need those of Cloudflare's runtime, which would change the globals of all files.
async function workerOf(miniflare: Miniflare, name: string): Promise<{ fetch: typeof fetch }> {
  return (await miniflare.getWorker(name)) as unknown as { fetch: typeof fetch };
}

describe.each(STORES)("two Workers over Cloudflare's simulator of $name", ({ kvNamespaces }) => {
  test("share a list, until it is purged or refused", async () => {
    const { nano, ask, found } = await simulated(kvNamespaces);
    const text = await (await ask({ headers })).text();
    await expect.poll(() => found(), IN_TIME).toEqual({ status: 200, text });
    expect((await found({ ...onlyIfCached, authorization: `Bearer ${BOB}` })).status).toBe(504);
    expect((await ask({ method: "DELETE", headers })).status).toBe(204);
    await expect.poll(async () => (await found()).status, IN_TIME).toBe(504);

    const again = async () => {
      await (await ask({ headers: noCache })).text();
      return found();
    };
    await expect.poll(again, IN_TIME).toEqual({ status: 200, text });
    nano.revoke(ALICE);
    // Older than a second, so that upstream is asked.
    await expect.poll(async () => (await ask({ headers: noCache })).status, IN_TIME).toBe(401);
    await expect.poll(async () => (await found()).status, IN_TIME).toBe(504);
  });
});
