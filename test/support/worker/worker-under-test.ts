import { jsonLogger } from "../../../src/observability/log.ts";
import { createWorker, type Worker } from "../../../src/worker/fetch-handler.ts";

// The Worker with a movable clock and variable settings, which tests control through paths that no client requests.
let offsetMs = 0;
let current: { settings: Record<string, string>; worker: Worker } | undefined;
const lines: string[] = [];

const entry: Worker = {
  async fetch(request, bindings, context) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/__test/start": {
        offsetMs = 0;
        lines.length = 0;
        const { settings } = (await request.json()) as { settings: Record<string, string> };
        current = { settings, worker: createFresh() };
        return new Response("started");
      }
      case "/__test/advance":
        offsetMs += Number(searchParams.get("ms"));
        return new Response("advanced");
      case "/__test/log":
        return Response.json(lines);
      default:
        if (current === undefined) return new Response("not started", { status: 599 });
        return current.worker.fetch(request, { ...bindings, ...current.settings }, context);
    }
  },
};

function createFresh(): Worker {
  const log = jsonLogger("trace", Date.now, (line) => lines.push(line));
  return createWorker({ now: () => Date.now() + offsetMs, log });
}

export default entry;
