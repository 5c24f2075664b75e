import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextIteration } from "node:timers/promises";

/**
 * The connections of a server, for its graceful stop. Instants are those of `performance.now()`, since the system clock
 * can be set back while the process stops.
 */
export interface Connections {
  /** Resolves once all connections in the kernel's accept queue have been accepted, or at `until`. */
  acceptPending(until: number): Promise<void>;
  /** Closes connections that have been idle since that instant: no pending response, no partial request. */
  closeIdle(since: number): void;
}

const SHORT_ITERATION_MS = 0.5;
// Node checks `headersTimeout` once a second (`connectionsCheckingInterval`), later on a busy machine.
const CHECK_DELAY_MS = 2000;

interface IdleState {
  pendingResponses: number;
  since: number;
  /** `socket.bytesRead` when it became idle; more means that a request has begun. */
  bytesRead: number;
  /** When a stop first saw that more had been read. */
  moreReadAt: number | undefined;
}

/** Tracks the connections of a server. Node's own `closeIdleConnections` would close one right after its response. */
export function trackConnections(server: Server, headersTimeoutMs: number): Connections {
  const open = new Map<Socket, IdleState>();
  let accepted = 0;

  server.on("connection", (socket) => {
    accepted++;
    open.set(socket, { pendingResponses: 0, since: performance.now(), bytesRead: 0, moreReadAt: undefined });
    socket.once("close", () => open.delete(socket));
  });
  const track = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { socket } = incoming;
    const state = open.get(socket);
    if (state === undefined) return;
    const markIdle = () => {
      state.since = performance.now();
      state.bytesRead = socket.bytesRead;
      state.moreReadAt = undefined;
    };
    state.pendingResponses++;
    outgoing.on("close", () => {
      state.pendingResponses--;
      markIdle();
    });
    // A body can end after its response; its bytes do not begin a new request.
    incoming.on("close", markIdle);
  };
  for (const event of ["request", "checkContinue", "checkExpectation"] as const) server.on(event, track);

  return {
    async acceptPending(until) {
      // Node accepts one connection per iteration of the event loop; closing the listener resets those in the queue.
      for (let isQuiet = false; !isQuiet && performance.now() < until;) {
        const before = accepted;
        await nextIteration();
        const startedAt = performance.now();
        await nextIteration();
        // A whole iteration accepted none, and was too short for many to have been queued since.
        isQuiet = accepted === before && performance.now() - startedAt < SHORT_ITERATION_MS;
      }
    },
    closeIdle(since) {
      for (const [socket, state] of open) {
        if (state.pendingResponses > 0 || state.since > since) continue;
        const isSilent = state.bytesRead === socket.bytesRead;
        if (!isSilent) state.moreReadAt ??= performance.now();
        // By then Node would have rejected a partial request, so the bytes were a stray line end.
        const isStray = performance.now() - (state.moreReadAt ?? 0) > headersTimeoutMs + CHECK_DELAY_MS;
        if (isSilent || isStray) socket.destroy();
      }
    },
  };
}
