/** A call that the client Worker makes to Keylane over its service binding. */
export interface BoundCall {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** When to abort the call: after some milliseconds, when a URL responds, or when the response headers arrive. */
  readonly abort?: number | { readonly when: string } | "at headers";
}

/** Calls for the client Worker: all at once, or each `pauseMs` after the end of the previous one. */
export interface BoundCalls {
  readonly calls: readonly BoundCall[];
  readonly pauseMs?: number;
}

/** The response to a call that was not aborted; instants are those of the client's clock. */
export interface BoundAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

interface Bindings {
  readonly KEYLANE: { fetch(url: string, init: RequestInit): Promise<Response> };
}

// This file has no imports: with its types stripped it becomes part of workerd's configuration.
export default {
  async fetch(request: Request, { KEYLANE }: Bindings): Promise<Response> {
    const { calls, pauseMs } = (await request.json()) as BoundCalls;
    if (pauseMs === undefined) return Response.json(await Promise.all(calls.map(make)));
    const answers: unknown[] = [];
    for (const call of calls) {
      answers.push(await make(call));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return Response.json(answers);

    async function make({ path, abort, ...init }: BoundCall): Promise<BoundAnswer | null> {
      const startedAt = Date.now();
      const controller = abortController(abort);
      const { signal } = controller;
      try {
        const response = await KEYLANE.fetch(`http://keylane.example${path}`, { ...init, signal });
        if (abort === "at headers") controller.abort();
        const { status, headers } = response;
        const text = await response.text();
        return { status, headers: Object.fromEntries(headers), text, startedAt, endedAt: Date.now() };
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      }
    }
  },
};

function abortController(abort: BoundCall["abort"]): AbortController {
  const controller = new AbortController();
  if (abort === 0) controller.abort();
  else if (typeof abort === "number") setTimeout(() => controller.abort(), abort);
  else if (typeof abort === "object") void fetch(abort.when).then(() => controller.abort());
  return controller;
}
