import { setTimeout as sleep } from "node:timers/promises";
import { inject, type TestContext } from "vitest";
import { startNanoGpt, type Account, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { plainCall, type PlainAnswer } from "../plain-call.ts";
import { ACCOUNTS } from "../setup.ts";
import type { BoundAnswer, BoundCall, Received } from "./caller.ts";
import { startWorkerd } from "./workerd.ts";

/** A call over the binding as a test writes it: a key in place of the header. */
export interface Ask extends Omit<BoundCall, "path" | "leave"> {
  readonly key?: string;
  readonly path?: string;
  /** As in BoundCall; "on request" leaves when the test says so. */
  readonly leave?: number | "at headers" | "on request";
}

/** The Worker as it is deployed, before a stand-in and behind a second Worker that calls it over a service binding. */
export interface Bound {
  readonly nano: NanoGpt;
  /** What Keylane wrote to its console. */
  readonly said: () => string;
  /** Makes calls over the binding, all at once, or each `pauseMs` after the one before it ended. */
  readonly ask: (calls: readonly Ask[], pauseMs?: number) => Promise<readonly (BoundAnswer | null)[]>;
  /** Makes calls over the binding that are cancelled when `leave` is called, which resolves once they are. */
  readonly leaving: (calls: readonly Ask[]) => { readonly leave: () => Promise<void> };
  /** Resolves once upstream has been asked for so many lists. */
  readonly asked: (times: number) => Promise<void>;
  /** Asks for a list over HTTP. */
  readonly list: (key: string, fields?: string) => Promise<PlainAnswer>;
}

const CALLER = new URL("./caller.ts", import.meta.url).pathname;
const LEAVE = "/leave-now";

// The end of a request ends here all it began, as Cloudflare does to one that is out of time or CPU.
const MORTAL = `import keylane from "keylane";
const mortal = { waitUntil() {}, passThroughOnException() {} };
export default {
  fetch: (request, bindings, context) =>
    keylane.fetch(request, bindings, request.headers.has("x-kept") ? context : mortal),
};`;

export interface Odds {
  readonly accounts?: readonly Account[];
  /** True where waitUntil keeps nothing alive, but for calls with a header field `x-kept`. */
  readonly isMortal?: boolean;
}

/** Starts all three, and stops them when the test ends: of concurrent tests, the given one. */
export async function boundWorker(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  settings: Record<string, string> = {},
  { accounts = ACCOUNTS, isMortal = false }: Odds = {},
): Promise<Bound> {
  const nano = await startNanoGpt({ accounts });
  const workerd = await startWorkerd(
    inject("deployedWorker"),
    { UPSTREAM_URL: nano.url, LOG_LEVEL: "warn", ...settings },
    { caller: CALLER, entry: isMortal ? MORTAL : undefined },
  );
  onTestFinished(async () => {
    await workerd.stop();
    await nano.stop();
  });

  async function ask(calls: readonly Ask[], pauseMs?: number): Promise<readonly (BoundAnswer | null)[]> {
    const received: Received = { calls: calls.map(boundCall), ...(pauseMs === undefined ? {} : { pauseMs }) };
    const answer = await fetch(workerd.callerUrl, { method: "POST", body: JSON.stringify(received) });
    if (answer.status !== 200) throw new Error(`The caller Worker failed: ${workerd.output.join("")}`);
    return (await answer.json()) as (BoundAnswer | null)[];
  }

  function boundCall({ key, path = "/v1/models", headers = {}, leave, ...rest }: Ask): BoundCall {
    return {
      ...rest,
      path,
      headers: key === undefined ? headers : { ...headers, authorization: `Bearer ${key}` },
      ...(leave === undefined ? {} : { leave: leave === "on request" ? { when: nano.origin + LEAVE } : leave }),
    };
  }

  return {
    nano,
    said: () => workerd.output.join(""),
    ask,
    leaving(calls) {
      const gate = nano.hold({ path: LEAVE, times: calls.length });
      const made = ask(calls.map((call) => ({ ...call, leave: "on request" })));
      return {
        async leave() {
          gate.release();
          const answers = await made;
          if (answers.some((answer) => answer !== null)) throw new Error("A client was answered before it left");
        },
      };
    },
    async asked(times) {
      for (let i = 0; nano.lists().length < times; i++) {
        if (i > 500) throw new Error(`Upstream was asked for ${nano.lists().length} lists, not ${times}`);
        await sleep(10);
      }
    },
    list: (key, fields = "") =>
      plainCall(`${workerd.url}/v1/models`, { fields: `Authorization: Bearer ${key}\n${fields}` }),
  };
}

/** Gives the model ids of a list answer, or undefined. */
export function idsOf({ status, text }: Pick<BoundAnswer, "status" | "text">): string[] | undefined {
  if (status !== 200) return undefined;
  return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
}
