import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * The connections of a server, as its stop sees them. Instants as `performance.now()` gives them: the system's clock can
 * be set back meanwhile, and a stop must end.
 */
export interface Connections {
  /** Resolves when Node has met everyone whom the kernel had connected, at `until` at the latest. */
  acceptPending(until: number): Promise<void>;
  /** Closes those that have been at rest since that instant: nothing to answer, nothing half said. */
  closeIdle(since: number): void;
}

const SHORT_TURN_MS = 0.5;
// How much later than the limit Node may look at it.
const CHECK_MS = 2000;

interface IdleState {
  answers: number;
  since: number;
  /** How much had been read when the rest began; more is the begin of a request. */
  bytesRead: number;
  /** When a stop first saw that there is more. */
  seenAt: number | undefined;
}

/** Follows the connections of a server. Node's own `closeIdleConnections` would close one in the moment it has answered. */
export function trackConnections(server: Server, headersTimeoutMs: number): Connections {
  const open = new Map<Socket, IdleState>();
  let met = 0;

  server.on("connection", (socket) => {
    met++;
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
    // Each says it once.
    outgoing.on("close", () => {
      rest.answers--;
      begin();
    });
    // A body can end after its answer: what came of it is no begin of a request.
    incoming.on("close", begin);
  };
  for (const asked of ["request", "checkContinue", "checkExpectation"] as const) server.on(asked, track);

  return {
    async acceptPending(until) {
      // Node accepts one connection in each turn of its loop, and to stop listening resets those that still wait.
      for (let isQuiet = false; !isQuiet && performance.now() < until;) {
        const before = met;
        await nextTurn();
        const startedAt = performance.now();
        await nextTurn();
        // Nobody was there in a whole turn, and it was too short for many to have come since.
        isQuiet = met === before && performance.now() - startedAt < SHORT_TURN_MS;
      }
    },
    closeIdle(instant) {
      for (const [socket, rest] of open) {
        if (rest.answers > 0 || rest.since > instant) continue;
        const isSilent = rest.bytesRead === socket.bytesRead;
        if (!isSilent) rest.seenAt ??= performance.now();
        // After so long Node would have refused the begin of a request: it was a stray line end, which begins none.
        if (isSilent || performance.now() - (rest.seenAt ?? 0) > headersTimeoutMs + CHECK_MS)
          socket.destroy();
      }
    },
  };
}
