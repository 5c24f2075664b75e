import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** The connections of a server, as its stop sees them. Instants in ms since the epoch. */
export interface Connections {
  /** Resolves when Node has met everyone whom the kernel had connected, at `until` at the latest. */
  meetAll(until: number): Promise<void>;
  /** Closes those that have been at rest since that instant: nothing to answer, nothing half said. */
  closeResting(since: number): void;
}

const SHORT_TURN_MS = 0.5;

interface Rest {
  answers: number;
  since: number;
  /** How much had been read when the rest began; more is the begin of a request. */
  bytesRead: number;
}

/** Follows the connections of a server. Node's own `closeIdleConnections` would close one in the moment it has answered. */
export function connections(server: Server): Connections {
  const open = new Map<Socket, Rest>();
  let met = 0;

  server.on("connection", (socket) => {
    met++;
    open.set(socket, { answers: 0, since: Date.now(), bytesRead: 0 });
    socket.once("close", () => open.delete(socket));
  });
  const follow = ({ socket }: IncomingMessage, outgoing: ServerResponse) => {
    const rest = open.get(socket);
    if (rest === undefined) return;
    rest.answers++;
    outgoing.once("close", () => {
      rest.answers--;
      rest.since = Date.now();
      rest.bytesRead = socket.bytesRead;
    });
  };
  for (const asked of ["request", "checkContinue", "checkExpectation"] as const) server.on(asked, follow);

  return {
    async meetAll(until) {
      // Node accepts one connection in each turn of its loop, and to stop listening resets those that still wait.
      for (let isQuiet = false; !isQuiet && Date.now() < until;) {
        const before = met;
        await nextTurn();
        const startedAt = performance.now();
        await nextTurn();
        // Nobody was there in a whole turn, and it was too short for many to have come since.
        isQuiet = met === before && performance.now() - startedAt < SHORT_TURN_MS;
      }
    },
    closeResting(instant) {
      for (const [socket, { answers, since, bytesRead }] of open) {
        if (answers === 0 && since <= instant && bytesRead === socket.bytesRead) socket.destroy();
      }
    },
  };
}
