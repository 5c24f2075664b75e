import { Agent, request } from "undici";
import { startProxies } from "./calls.ts";
import { startEchoUpstream, EVENTS_PER_SECOND } from "./echo-upstream.ts";
import { compare, quantile, type Row } from "./compare.ts";
import type { BenchSetup } from "./setup.ts";

/** Many streams at a time: how long an event is on its way, from the upstream's write to the client's read. */
export async function streams(setup: BenchSetup): Promise<Row[]> {
  const { streams, events, rounds } = setup.scale;
  const upstream = await startEchoUpstream(setup.onCleanup);
  const proxies = await startProxies(setup, upstream);
  const contestants = [
    { name: "no proxy", url: upstream },
    ...proxies.map(({ name, server }) => ({ name, url: server.url })),
  ].map(({ name, url }) => ({ name, run: () => delays(url, streams, events) }));
  // One takes seconds; three rounds of hundreds of thousands of events say enough.
  return compare(`${streams} streams, ${EVENTS_PER_SECOND} events a second`, contestants, Math.min(3, rounds));
}

async function delays(url: string, streams: number, events: number): Promise<Record<string, number>> {
  const dispatcher = new Agent({ connections: streams });
  const found: number[] = [];
  const reader = async () => {
    const answer = await request(`${url}/v1/events?n=${events}`, { dispatcher });
    let text = "";
    let heard = 0;
    for await (const chunk of answer.body) {
      const now = performance.now();
      text += String(chunk);
      const whole = text.split("\n\n");
      text = whole.pop() ?? "";
      for (const event of whole) found.push(now - Number(event.slice("data: ".length)));
      heard += whole.length;
    }
    if (heard !== events) throw new Error(`${url} gave ${heard} events of ${events}`);
  };
  await Promise.all(Array.from({ length: streams }, reader));
  await dispatcher.destroy();
  return { "ms p50": quantile(found, 0.5), "ms p99": quantile(found, 0.99) };
}
