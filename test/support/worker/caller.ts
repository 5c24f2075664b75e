/** A call that the client Worker makes of Keylane over its service binding. */
export interface BoundCall {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** When its signal aborts: so many ms after it began, once that address answers, or once the answer's head came. */
  readonly leave?: number | { readonly when: string } | "at headers";
}

/** The calls of the client Worker: concurrent, or each so many ms after the end of the previous one. */
export interface Received {
  readonly calls: readonly BoundCall[];
  readonly pauseMs?: number;
}

/** What became of a call whose client stayed, and when, by the client's clock. */
export interface BoundAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  readonly began: number;
  readonly ended: number;
}

interface Bindings {
  readonly KEYLANE: { fetch(url: string, init: RequestInit): Promise<Response> };
}

// Its types are stripped and the rest is put into workerd's configuration as it stands: it imports nothing.
export default {
  async fetch(request: Request, { KEYLANE }: Bindings): Promise<Response> {
    const { calls, pauseMs } = (await request.json()) as Received;
    if (pauseMs === undefined) return Response.json(await Promise.all(calls.map(make)));
    const made: unknown[] = [];
    for (const call of calls) {
      made.push(await make(call));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return Response.json(made);

    async function make({ path, leave, ...init }: BoundCall): Promise<BoundAnswer | null> {
      const began = Date.now();
      const { signal, abort } = leaving(leave);
      try {
        const answer = await KEYLANE.fetch(`http://keylane.example${path}`, { ...init, signal });
        if (leave === "at headers") abort();
        const { status, headers } = answer;
        const text = await answer.text();
        return { status, headers: Object.fromEntries(headers), text, began, ended: Date.now() };
      } catch (fault) {
        if (signal.aborted) return null;
        throw fault;
      }
    }
  },
};

function leaving(leave: BoundCall["leave"]): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (leave === 0) abort();
  else if (typeof leave === "number") setTimeout(abort, leave);
  else if (typeof leave === "object") void fetch(leave.when).then(abort);
  return { signal: controller.signal, abort };
}
