import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * The connections of a server, for its graceful stop. Instants are those of `performance.now()`: the system's clock can be
 * set back meanwhile, and a stop must end.
 */
export interface Connections {
  /** Resolves once all connections in the kernel's accept queue have been accepted, or at `until`. */
  acceptPending(until: number): Promise<void>;
  /** Closes connections that have been idle since that instant: no pending response, no partial request. */
  closeIdle(since: number): void;
}

const SHORT_TURN_MS = 0.5;
// How long after the limit Node's check may come.
const CHECK_MS = 2000;

interface IdleState {
  answers: number;
  since: number;
  /** `socket.bytesRead` when it became idle; more is the begin of a request. */
  bytesRead: number;
  /** When a stop first saw that more had been read. */
  seenAt: number | undefined;
}

/** Tracks the connections of a server. Node's own `closeIdleConnections` would close one right after its response. */
export function trackConnections(server: Server, headersTimeoutMs: number): Connections {
  const open = new Map<Socket, IdleState>();
  let accepted = 0;

  server.on("connection", (socket) => {
    accepted++;
    open.set(socket, { answers: 0, since: performance.now(), bytesRead: 0, seenAt: undefined });
    socket.once("close", () => open.delete(socket));
  });
  const track = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { socket } = incoming;
    const rest = open.get(socket);
    if (rest === undefined) return;
    const begin = () => {
      rest.since = performance.now();
      rest.bytesRead = socket.bytesRead;
      rest.seenAt = undefined;
    };
    rest.answers++;
    outgoing.on("close", () => {
      rest.answers--;
      begin();
    });
    // A body can end after its response: its bytes are no begin of a request.
    incoming.on("close", begin);
  };
  for (const asked of ["request", "checkContinue", "checkExpectation"] as const) server.on(asked, track);

  return {
    async acceptPending(until) {
      // Node accepts one connection per turn of the event loop, and closing the listener resets those that wait.
      for (let isQuiet = false; !isQuiet && performance.now() < until;) {
        const before = accepted;
        await nextTurn();
        const startedAt = performance.now();
        await nextTurn();
        // None was accepted in a whole turn, and the turn was too short for many to have come since.
        isQuiet = accepted === before && performance.now() - startedAt < SHORT_TURN_MS;
      }
    },
    closeIdle(instant) {
      for (const [socket, rest] of open) {
        if (rest.answers > 0 || rest.since > instant) continue;
        const isSilent = rest.bytesRead === socket.bytesRead;
        if (!isSilent) rest.seenAt ??= performance.now();
        // After so long Node would have refused a partial request: it was a stray line end, which begins none.
        if (isSilent || performance.now() - (rest.seenAt ?? 0) > headersTimeoutMs + CHECK_MS) socket.destroy();
      }
    },
  };
}
