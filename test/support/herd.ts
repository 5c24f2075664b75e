import { onTestFinished } from "vitest";
import { Agent } from "undici";
import { startKeylane, type Keylane } from "./keylane.ts";
import { send, type Answer, type CallOptions } from "./setup.ts";
import { startHerdUpstream, type HerdUpstream } from "./herd-upstream.ts";

/** An upstream for thundering herds and a Keylane in front of it. */
export interface Herd {
  readonly upstream: HerdUpstream;
  readonly keylane: Keylane;
  /** Sends a request to Keylane (`/v1/models` by default), with a key or without. */
  readonly request: (key: string | undefined, path?: string, options?: CallOptions) => Promise<HerdAnswer>;
  /** The model ids Keylane stores for a key, or undefined. Causes no upstream request. */
  readonly stored: (key: string, path?: string, headers?: Record<string, string>) => Promise<string[] | undefined>;
}

/** A response and how long it took. */
export interface HerdAnswer extends Answer {
  readonly durationMs: number;
  /** Retry-After in ms; undefined where it is missing or not a whole number of seconds. */
  readonly retryAfterMs: number | undefined;
}

/** Starts both; they are stopped when the test ends. */
export async function startHerd(
  settings: Record<string, string> = {},
  options: { readonly padding?: number } = {},
): Promise<Herd> {
  const upstream = await startHerdUpstream(options);
  const keylane = await startKeylane({ UPSTREAM_URL: upstream.url, ...settings });
  onTestFinished(() => keylane.stop());
  return { upstream, keylane, ...herdClient(keylane.url) };
}

/** A client of a Keylane that is already running. */
export function herdClient(url: string): Pick<Herd, "request" | "stored"> {
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  async function request(key: string | undefined, path = "/v1/models", options: CallOptions = {}): Promise<HerdAnswer> {
    const startedAt = performance.now();
    const headers = { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...options.headers };
    const answer = await send(agent, url + path, { ...options, headers });
    const retryAfter = String(answer.headers["retry-after"] ?? "");
    return {
      ...answer,
      durationMs: performance.now() - startedAt,
      retryAfterMs: /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined,
    };
  }
  return {
    request,
    async stored(key, path, headers = {}) {
      const answer = await request(key, path, { headers: { ...headers, "cache-control": "only-if-cached" } });
      return answer.status === 200 ? answer.ids() : undefined;
    },
  };
}

/** Runs `task` for each index below `count`, all at once. */
export function sendConcurrently<T>(count: number, task: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => task(index)));
}
