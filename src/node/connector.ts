import { TLSSocket } from "node:tls";
import { buildConnector } from "undici";

/**
 * Opens connections to upstream: HTTP/1.1 only, and TLS sessions are resumed if upstream sent a ticket before. undici's
 * HTTP/2 does not hand raw header lines to a handler, which the passthrough needs.
 */
export function createConnector(timeoutMs: number): buildConnector.connector {
  // undici's own cache keeps weak references to sessions: the next garbage collection removes them.
  const sessions = new Map<string, Buffer>();
  return (options, callback) => {
    const name = `${options.hostname}:${options.port}`;
    const session = sessions.get(name);
    const connect = buildConnector({
      timeout: timeoutMs,
      allowH2: false,
      maxCachedSessions: 0,
      ...(session === undefined ? {} : { session }),
    });
    connect(options, (...outcome) => {
      const [error, socket] = outcome;
      // A server may abort the handshake on a session that it no longer knows, and would do so at every attempt.
      if (error !== null) sessions.delete(name);
      if (socket instanceof TLSSocket) {
        // TLS 1.3 sends tickets after the handshake, TLS 1.2 during it.
        socket.on("session", (ticket: Buffer) => sessions.set(name, ticket));
        const negotiated = socket.getProtocol() === "TLSv1.3" ? undefined : socket.getSession();
        if (negotiated !== undefined) sessions.set(name, negotiated);
      }
      callback(...outcome);
    });
  };
}
