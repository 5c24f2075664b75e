// Two Workers share and purge lists through Cloudflare's own simulators of the Cache API and KV.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";
import { STORE_POLL } from "../support/worker/isolates.ts";
import { bundledTexts } from "../support/worker/workerd.ts";

// The simulators reject what Cloudflare would reject, and expire values as Cloudflare does.
vi.setConfig({ testTimeout: 60_000 });

const STORES = [
  { name: "the Cache API", kvNamespaces: [] },
  { name: "a KV namespace", kvNamespaces: ["LISTS"] },
];

const headers = { authorization: `Bearer ${ALICE}` };
const noCache = { ...headers, "cache-control": "no-cache" };
const onlyIfCached = { ...headers, "cache-control": "only-if-cached" };

async function startSimulated(kvNamespaces: string[]) {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  const contents = readFileSync(inject("deployedWorker"), "utf8");
  const consoleFiles = bundledTexts(inject("deployedWorker")).map((path) => {
    const contents = readFileSync(join(dirname(inject("deployedWorker")), path), "utf8");
    return { type: "Text" as const, path, contents };
  });
  const workers = ["first", "second"].map((name) => ({
    name,
    modules: [{ type: "ESModule" as const, path: `${name}.js`, contents }, ...consoleFiles],
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
  const [first, second] = [await getWorker(miniflare, "first"), await getWorker(miniflare, "second")];
  const url = "http://keylane.example/v1/models";
  return {
    nano,
    /** Sends a request to the first Worker. */
    request: (init: { method?: string; headers: Record<string, string> }) => first.fetch(url, init),
    /** Requests the list that the second Worker has in memory or in the store. */
    getStored: async (fields: Record<string, string> = onlyIfCached) => {
      const response = await second.fetch(url, { headers: fields });
      return { status: response.status, text: await response.text() };
    },
  };
}

// Miniflare's types need those of Cloudflare's runtime, which would change the globals of all files.
async function getWorker(miniflare: Miniflare, name: string): Promise<{ fetch: typeof fetch }> {
  return (await miniflare.getWorker(name)) as unknown as { fetch: typeof fetch };
}

describe.each(STORES)("two Workers with Cloudflare's simulator of $name", ({ kvNamespaces }) => {
  test("share a list until it is purged or upstream responds with 401", async () => {
    const { nano, request, getStored } = await startSimulated(kvNamespaces);
    const text = await (await request({ headers })).text();
    await expect.poll(() => getStored(), STORE_POLL).toEqual({ status: 200, text });
    expect((await getStored({ ...onlyIfCached, authorization: `Bearer ${BOB}` })).status).toBe(504);
    expect((await request({ method: "DELETE", headers })).status).toBe(204);
    await expect.poll(async () => (await getStored()).status, STORE_POLL).toBe(504);

    const fetchAgain = async () => {
      await (await request({ headers: noCache })).text();
      return getStored();
    };
    await expect.poll(fetchAgain, STORE_POLL).toEqual({ status: 200, text });
    nano.revoke(ALICE);
    // Polled, since no-cache is served from the store while the list is less than a second old.
    await expect.poll(async () => (await request({ headers: noCache })).status, STORE_POLL).toBe(401);
    await expect.poll(async () => (await getStored()).status, STORE_POLL).toBe(504);
  });
});
