import { TLSSocket } from "node:tls";
import { buildConnector } from "undici";

/**
 * Opens connections to upstream: HTTP/1.1 only, and with TLS sessions resumed where upstream gave a ticket before. undici's
 * HTTP/2 does not hand raw header lines to a handler, which the passthrough needs.
 */
export function createConnector(timeoutMs: number): buildConnector.connector {
  // undici's own cache holds sessions weakly: the next garbage collection removes them.
  const sessions = new Map<string, Buffer>();
  return (options, callback) => {
    const name = `${options.hostname}:${options.port}`;
    const session = sessions.get(name);
    const offered = session === undefined ? {} : { session };
    const connect = buildConnector({
      timeout: timeoutMs,
      allowH2: false,
      maxCachedSessions: 0,
      ...offered,
    });
    connect(options, (...outcome) => {
      const [error, socket] = outcome;
      // A server may abort the handshake for a session that it no longer knows, and would at every attempt.
      if (error !== null) sessions.delete(name);
      if (socket instanceof TLSSocket) {
        // TLS 1.3 sends tickets after the handshake, TLS 1.2 has sent them by now.
        socket.on("session", (given: Buffer) => sessions.set(name, given));
        const known = socket.getProtocol() === "TLSv1.3" ? undefined : socket.getSession();
        if (known !== undefined) sessions.set(name, known);
      }
      callback(...outcome);
    });
  };
}
