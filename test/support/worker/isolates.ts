import { setTimeout as sleep } from "node:timers/promises";
import { inject, type TestContext } from "vitest";
import { startNanoGpt, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { plainCall, headerValues } from "../plain-call.ts";
import { ACCOUNTS } from "../setup.ts";
import { startEdgeStores, type EdgeStores, type StoredValue } from "./edge-stores.ts";
import { startWorkerd } from "./workerd.ts";

/** The stores a Worker can have outside its isolate. */
export type EdgeStore = "cache" | "lists";

/** Isolates of the Worker as it is deployed, with one far store between them. */
export interface Isolates {
  readonly nano: NanoGpt;
  readonly edge: EdgeStores;
  readonly ask: (isolate: number, key: string, more?: Asked) => Promise<IsolateAnswer>;
  /** Asks until something lies in the far store: a busy machine may be late more than once. */
  readonly store: (isolate: number, key: string) => Promise<void>;
  /** Requests the stored list, in the isolate or outside: its status is 200, or 504 where there is none. */
  readonly stored: (isolate: number, key: string, more?: Asked) => Promise<IsolateAnswer>;
  /** The only value in the far store; throws where there are none or more. */
  readonly only: () => StoredValue;
  /** What an isolate wrote to its console, line by line. */
  readonly said: (isolate: number) => string[];
  /** The same but for a far store that a busy machine made late. */
  readonly warned: (isolate: number) => string[];
}

export interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly fields?: string;
}

export interface IsolateAnswer {
  readonly status: number;
  readonly text: string;
  readonly outcome: string | undefined;
}

/** Time for calls of a remote store that are not late: on a busy machine some are. */
export const IN_TIME = { timeout: 15_000, interval: 50 } as const;

export const CACHE_SECRET = "a secret that all isolates share";

/** Starts one isolate for each of `settings`; all stop when the test ends. */
export async function startIsolates(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  far: EdgeStore,
  settings: readonly Record<string, string>[],
): Promise<Isolates> {
  const [nano, edge] = await Promise.all([startNanoGpt({ accounts: ACCOUNTS }), startEdgeStores()]);
  const started = await Promise.all(
    settings.map((own) =>
      startWorkerd(
        inject("deployedWorker"),
        { UPSTREAM_URL: nano.url, CACHE_SECRET, LOG_LEVEL: "warn", ...own },
        { [far]: edge.address },
      ),
    ),
  );
  onTestFinished(async () => {
    await Promise.all([...started.map((one) => one.stop()), nano.stop(), edge.stop()]);
  });

  async function ask(isolate: number, key: string, { path, method, fields = "" }: Asked = {}): Promise<IsolateAnswer> {
    const { status, text, rawHeaders } = await plainCall(`${started[isolate]?.url}${path ?? "/v1/models"}`, {
      ...(method === undefined ? {} : { method }),
      fields: `Authorization: Bearer ${key}\n${fields}`,
    });
    return { status, text, outcome: headerValues(rawHeaders, "cache-status")[0] };
  }

  async function store(isolate: number, key: string): Promise<void> {
    for (let round = 0; round < 300; round++) {
      await ask(isolate, key, round === 0 ? {} : { fields: "Cache-Control: no-cache" });
      if (edge.kept.size > 0) return;
      await sleep(50);
    }
    throw new Error("Nothing is stored");
  }

  const said = (isolate: number) =>
    (started[isolate]?.output ?? [])
      .join("")
      .split("\n")
      .filter((line) => line !== "");

  return {
    nano,
    edge,
    ask,
    store,
    stored: (isolate, key, more) => ask(isolate, key, { ...more, fields: "Cache-Control: only-if-cached" }),
    only() {
      const [kept, ...others] = edge.kept.values();
      if (kept === undefined || others.length > 0) throw new Error(`There are ${edge.kept.size} values`);
      return kept;
    },
    said,
    warned: (isolate) => said(isolate).filter((line) => !line.includes('"fault":"late"')),
  };
}
