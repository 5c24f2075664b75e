import { onTestFinished } from "vitest";
import { Agent, request } from "undici";
import { startKeylane, type Keylane } from "./keylane.ts";
import type { Answer, CallOptions } from "./setup.ts";
import { stormUpstream, type StormUpstream } from "./herd-upstream.ts";

/** An upstream for crowds and Keylane before it. */
export interface Storm {
  readonly upstream: StormUpstream;
  readonly keylane: Keylane;
  /** Calls Keylane, with a key or without. */
  readonly ask: (key: string | undefined, path?: string, options?: CallOptions) => Promise<Told>;
  /** What Keylane holds for a key: its ids, or undefined. Asks upstream nothing. */
  readonly held: (
    key: string,
    path?: string,
    headers?: Record<string, string>,
  ) => Promise<string[] | undefined>;
}

/** An answer, and how long it took to come. */
export interface Told extends Answer {
  readonly ms: number;
  /** What Retry-After says, in ms; undefined where it is missing or no whole number of seconds. */
  readonly retryAfterMs: number | undefined;
}

/** Starts both; they are stopped when the test ends. */
export async function storm(
  settings: Record<string, string> = {},
  options: { readonly padding?: number } = {},
): Promise<Storm> {
  const upstream = await stormUpstream(options);
  const keylane = await startKeylane({ UPSTREAM_URL: upstream.url, ...settings });
  onTestFinished(() => keylane.stop());
  return { upstream, keylane, ...caller(keylane.url) };
}

/** The ways to call a Keylane that runs already. */
export function caller(url: string): Pick<Storm, "ask" | "held"> {
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  async function ask(key: string | undefined, path = "/v1/models", options: CallOptions = {}): Promise<Told> {
    const startedAt = performance.now();
    const headers = { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...options.headers };
    const method = options.method ?? "GET";
    const answer = await request(url + path, {
      dispatcher: agent,
      method,
      headers,
      body: options.body ?? null,
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const text = body.toString();
    const said = String(answer.headers["retry-after"] ?? "");
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body,
      text,
      json: () => JSON.parse(text),
      ids: () => (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id),
      ms: performance.now() - startedAt,
      retryAfterMs: /^\d+$/.test(said) ? Number(said) * 1000 : undefined,
    };
  }
  return {
    ask,
    async held(key, path, headers = {}) {
      const answer = await ask(key, path, { headers: { ...headers, "cache-control": "only-if-cached" } });
      return answer.status === 200 ? answer.ids() : undefined;
    },
  };
}

/** Does something for each of so many guests, all at once. */
export function crowd<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => one(index)));
}
