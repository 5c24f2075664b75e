import { setTimeout as sleep } from "node:timers/promises";
import { inject, type TestContext } from "vitest";
import { startNanoGpt, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { plainCall, headerValues } from "../plain-call.ts";
import { ACCOUNTS } from "../setup.ts";
import { startEdgeStores, type EdgeStores, type StoredValue } from "./edge-stores.ts";
import { startWorkerd } from "./workerd.ts";

/** The remote store of a Worker: the Cache API or a KV namespace bound as LISTS. */
export type EdgeStore = "cache" | "lists";

/** Isolates of the deployed Worker that share one remote store. */
export interface Isolates {
  readonly nano: NanoGpt;
  readonly edge: EdgeStores;
  readonly request: (isolate: number, key: string, options?: RequestOptions) => Promise<IsolateAnswer>;
  /** Requests lists until the remote store contains one: on a busy machine a write may time out. */
  readonly fetchUntilStored: (isolate: number, key: string) => Promise<void>;
  /** Requests the list stored in the isolate or the remote store: 200, or 504 if neither has one. */
  readonly getStored: (isolate: number, key: string, options?: RequestOptions) => Promise<IsolateAnswer>;
  /** The only value in the remote store; throws if there are none or more. */
  readonly onlyStored: () => StoredValue;
  /** The lines that an isolate wrote to its console. */
  readonly logLines: (isolate: number) => string[];
  /** `logLines` without those about calls of the remote store that timed out on a busy machine. */
  readonly warnings: (isolate: number) => string[];
}

export interface RequestOptions {
  readonly path?: string;
  readonly method?: string;
  readonly fields?: string;
}

export interface IsolateAnswer {
  readonly status: number;
  readonly text: string;
  /** The `Cache-Status` header. */
  readonly outcome: string | undefined;
}

/** How long tests poll for an effect on the remote store: on a busy machine some of its calls time out. */
export const STORE_POLL = { timeout: 15_000, interval: 50 } as const;

export const CACHE_SECRET = "a secret that all isolates share";

/** Starts one isolate for each of `settings`; all stop when the test ends. */
export async function startIsolates(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  kind: EdgeStore,
  settings: readonly Record<string, string>[],
): Promise<Isolates> {
  const [nano, edge] = await Promise.all([startNanoGpt({ accounts: ACCOUNTS }), startEdgeStores()]);
  const isolates = await Promise.all(
    settings.map((own) =>
      startWorkerd(
        inject("deployedWorker"),
        { UPSTREAM_URL: nano.url, CACHE_SECRET, LOG_LEVEL: "warn", ...own },
        { [kind]: edge.address },
      ),
    ),
  );
  onTestFinished(async () => {
    await Promise.all([...isolates, nano, edge].map((one) => one.stop()));
  });

  const request: Isolates["request"] = async (isolate, key, { path = "/v1/models", method, fields = "" } = {}) => {
    const { status, text, rawHeaders } = await plainCall(`${isolates[isolate]?.url}${path}`, {
      ...(method === undefined ? {} : { method }),
      fields: `Authorization: Bearer ${key}\n${fields}`,
    });
    return { status, text, outcome: headerValues(rawHeaders, "cache-status")[0] };
  };
  const logLines = (isolate: number) => {
    const lines = isolates[isolate]?.output.join("").split("\n") ?? [];
    return lines.filter((line) => line !== "");
  };

  return {
    nano,
    edge,
    request,
    async fetchUntilStored(isolate, key) {
      for (let attempt = 0; attempt < 300; attempt++) {
        await request(isolate, key, attempt === 0 ? {} : { fields: "Cache-Control: no-cache" });
        if (edge.values.size > 0) return;
        await sleep(50);
      }
      throw new Error("Nothing is stored");
    },
    getStored: (isolate, key, options) =>
      request(isolate, key, { ...options, fields: "Cache-Control: only-if-cached" }),
    onlyStored() {
      const [value, ...others] = edge.values.values();
      if (value === undefined || others.length > 0) throw new Error(`There are ${edge.values.size} values`);
      return value;
    },
    logLines,
    warnings: (isolate) => logLines(isolate).filter((line) => !line.includes('"error":"timeout"')),
  };
}
