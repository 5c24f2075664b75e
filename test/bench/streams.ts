import { Agent, request } from "undici";
import { startProxies } from "./calls.ts";
import { startEchoUpstream, EVENTS_PER_SECOND } from "./echo-upstream.ts";
import { compare, quantile, type Row } from "./compare.ts";
import type { BenchSetup } from "./setup.ts";

/** Many concurrent streams: delay of an event, from the upstream's write to the client's read. */
export async function streams(setup: BenchSetup): Promise<Row[]> {
  const { streams, events, rounds } = setup.scale;
  const upstream = await startEchoUpstream(setup.onCleanup);
  const proxies = await startProxies(setup, upstream);
  const candidates = [
    { name: "no proxy", url: upstream },
    ...proxies.map(({ name, server }) => ({ name, url: server.url })),
  ].map(({ name, url }) => ({ name, run: () => delays(url, streams, events) }));
  // A round takes seconds; three with hundreds of thousands of events are enough.
  return compare(`${streams} streams, ${EVENTS_PER_SECOND} events a second`, candidates, Math.min(3, rounds));
}

async function delays(url: string, streams: number, events: number): Promise<Record<string, number>> {
  const dispatcher = new Agent({ connections: streams });
  const delaysMs: number[] = [];
  const reader = async () => {
    const response = await request(`${url}/v1/events?n=${events}`, { dispatcher });
    let text = "";
    let count = 0;
    for await (const chunk of response.body) {
      const now = performance.now();
      text += String(chunk);
      const complete = text.split("\n\n");
      text = complete.pop() ?? "";
      for (const event of complete) delaysMs.push(now - Number(event.slice("data: ".length)));
      count += complete.length;
    }
    if (count !== events) throw new Error(`${url} sent ${count} of ${events} events`);
  };
  await Promise.all(Array.from({ length: streams }, reader));
  await dispatcher.destroy();
  return { "ms p50": quantile(delaysMs, 0.5), "ms p99": quantile(delaysMs, 0.99) };
}
