import { Agent, request } from "undici";
import { median, type Measurements } from "./compare.ts";
import type { Server } from "./processes.ts";

export interface LoadRequest {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  /** The coding that is right, where one is asked for. */
  readonly coding?: string;
  /** The status that is right; anything else ends the bench. */
  readonly status?: number;
}

/** Sends a request again and again over so many connections; gives the server's CPU time for each and the latency. */
export async function load(
  { url, cpuMicros }: Pick<Server, "url" | "cpuMicros">,
  sent: (turn: number) => LoadRequest,
  requests: number,
  connections: number,
): Promise<Measurements> {
  const dispatcher = new Agent({ connections });
  const times: number[] = [];
  let turn = 0;
  const caller = async () => {
    while (turn < requests) {
      const { path, status = 200, coding, ...rest } = sent(turn++);
      const startedAt = performance.now();
      const answer = await request(url + path, { dispatcher, ...rest });
      await answer.body.dump({ limit: 1e9 });
      times.push(performance.now() - startedAt);
      if (coding !== undefined && answer.headers["content-encoding"] !== coding)
        throw new Error(`${url}${path} is not coded in ${coding}`);
      if (answer.statusCode !== status) throw new Error(`${url}${path} answered ${answer.statusCode}`);
    }
  };
  const before = await cpuMicros();
  await Promise.all(Array.from({ length: connections }, caller));
  const after = await cpuMicros();
  await dispatcher.destroy();
  return { "µs CPU": (after - before) / requests, ms: median(times) };
}
