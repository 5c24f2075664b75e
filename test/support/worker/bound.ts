import { setTimeout as sleep } from "node:timers/promises";
import { inject, type TestContext } from "vitest";
import { startNanoGpt, type Account, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { plainCall, type PlainAnswer } from "../plain-call.ts";
import { ACCOUNTS } from "../setup.ts";
import type { BoundAnswer, BoundCall, BoundCalls } from "./client-worker.ts";
import { startWorkerd } from "./workerd.ts";

/** A call over the service binding, with a key instead of the header. */
export interface KeyCall extends Omit<BoundCall, "path"> {
  readonly key?: string;
  readonly path?: string;
}

/** The deployed Worker in front of a NanoGPT stand-in, called by a second Worker over a service binding. */
export interface BoundWorker {
  readonly nano: NanoGpt;
  /** All that Keylane has written to its console. */
  readonly log: () => string;
  /** Makes calls over the binding, all at once, or each `pauseMs` after the end of the previous one. */
  readonly call: (calls: readonly KeyCall[], pauseMs?: number) => Promise<readonly (BoundAnswer | null)[]>;
  /** Starts calls over the binding; `cancel` aborts them and resolves once they are aborted. */
  readonly startCancellable: (calls: readonly KeyCall[]) => { readonly cancel: () => Promise<void> };
  /** Resolves once upstream has received `count` list requests. */
  readonly untilListRequests: (count: number) => Promise<void>;
  /** Requests a list over HTTP. */
  readonly list: (key: string, fields?: string) => Promise<PlainAnswer>;
}

const CLIENT = new URL("./client-worker.ts", import.meta.url).pathname;
const CANCEL_PATH = "/cancel-now";

// All work of a request ends with the request, as when Cloudflare ends one that has used up its time or CPU.
const WITHOUT_WAIT_UNTIL = `import keylane from "keylane";
const context = { waitUntil() {}, passThroughOnException() {} };
export default {
  fetch: (request, bindings, real) =>
    keylane.fetch(request, bindings, request.headers.has("x-wait-until") ? real : context),
};`;

export interface BoundOptions {
  readonly accounts?: readonly Account[];
  /** False if `waitUntil` does nothing, except for requests with a header `x-wait-until`. */
  readonly hasWaitUntil?: boolean;
}

/** Starts the stand-in and both Workers, and stops them at the end of the given test. */
export async function startBoundWorker(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  settings: Record<string, string> = {},
  { accounts = ACCOUNTS, hasWaitUntil = true }: BoundOptions = {},
): Promise<BoundWorker> {
  const nano = await startNanoGpt({ accounts });
  const workerd = await startWorkerd(
    inject("deployedWorker"),
    { UPSTREAM_URL: nano.url, LOG_LEVEL: "warn", ...settings },
    { client: CLIENT, entry: hasWaitUntil ? undefined : WITHOUT_WAIT_UNTIL },
  );
  onTestFinished(async () => {
    await workerd.stop();
    await nano.stop();
  });

  async function call(calls: readonly KeyCall[], pauseMs?: number): Promise<readonly (BoundAnswer | null)[]> {
    const all: BoundCalls = { calls: calls.map(boundCall), ...(pauseMs === undefined ? {} : { pauseMs }) };
    const response = await fetch(workerd.clientUrl, { method: "POST", body: JSON.stringify(all) });
    if (response.status !== 200) throw new Error(`The client Worker failed: ${workerd.output.join("")}`);
    return (await response.json()) as (BoundAnswer | null)[];
  }

  return {
    nano,
    log: () => workerd.output.join(""),
    call,
    startCancellable(calls) {
      const gate = nano.hold({ path: CANCEL_PATH, times: calls.length });
      const abort = { when: nano.origin + CANCEL_PATH };
      const done = call(calls.map((one) => ({ ...one, abort })));
      return {
        async cancel() {
          gate.release();
          const answers = await done;
          if (answers.some((answer) => answer !== null)) throw new Error("A call was answered before it was cancelled");
        },
      };
    },
    async untilListRequests(count) {
      for (let i = 0; nano.lists().length < count; i++) {
        if (i > 500) throw new Error(`Upstream received ${nano.lists().length} list requests, not ${count}`);
        await sleep(10);
      }
    },
    list: (key, fields = "") =>
      plainCall(`${workerd.url}/v1/models`, { fields: `Authorization: Bearer ${key}\n${fields}` }),
  };
}

function boundCall({ key, path = "/v1/models", headers = {}, ...rest }: KeyCall): BoundCall {
  return {
    ...rest,
    path,
    headers: key === undefined ? headers : { ...headers, authorization: `Bearer ${key}` },
  };
}

/** The model ids of a list response; undefined for any other response. */
export function idsOf({ status, text }: Pick<BoundAnswer, "status" | "text">): string[] | undefined {
  if (status !== 200) return undefined;
  return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
}
