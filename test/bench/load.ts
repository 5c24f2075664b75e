import { Agent, request } from "undici";
import { median, type Measurements } from "./compare.ts";
import type { Server } from "./processes.ts";

export interface LoadRequest {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  /** The expected content coding. */
  readonly coding?: string;
  /** The expected status; any other ends the bench. */
  readonly status?: number;
}

/** Sends requests over several connections; gives the server's CPU time per request and the median latency. */
export async function load(
  { url, cpuMicros }: Pick<Server, "url" | "cpuMicros">,
  requestAt: (index: number) => LoadRequest,
  requests: number,
  connections: number,
): Promise<Measurements> {
  const dispatcher = new Agent({ connections });
  const times: number[] = [];
  let index = 0;
  const client = async () => {
    while (index < requests) {
      const { path, status = 200, coding, ...rest } = requestAt(index++);
      const startedAt = performance.now();
      const response = await request(url + path, { dispatcher, ...rest });
      await response.body.dump({ limit: 1e9 });
      times.push(performance.now() - startedAt);
      if (coding !== undefined && response.headers["content-encoding"] !== coding)
        throw new Error(`${url}${path} has not the coding ${coding}`);
      if (response.statusCode !== status) throw new Error(`${url}${path} answered ${response.statusCode}`);
    }
  };
  const before = await cpuMicros();
  await Promise.all(Array.from({ length: connections }, client));
  const after = await cpuMicros();
  await dispatcher.destroy();
  return { "µs CPU": (after - before) / requests, ms: median(times) };
}
