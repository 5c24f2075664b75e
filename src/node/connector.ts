import { TLSSocket } from "node:tls";
import { buildConnector } from "undici";

/**
 * Opens connections to upstream: HTTP/1.1 alone, and with TLS resumed where upstream offered a ticket before.
 * undici's HTTP/2 loses every field line of an answer on its way to a handler, and with it half of a passthrough.
 */
export function createConnector(timeoutMs: number): buildConnector.connector {
  // undici's own cache holds sessions weakly: the next collection of garbage takes them.
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
      // A server may break off at a session that it does not know any more, and would at every attempt.
      if (error !== null) sessions.delete(name);
      if (socket instanceof TLSSocket) {
        // TLS 1.3 gives its tickets after the handshake, TLS 1.2 has given them by now.
        socket.on("session", (given: Buffer) => sessions.set(name, given));
        const known = socket.getProtocol() === "TLSv1.3" ? undefined : socket.getSession();
        if (known !== undefined) sessions.set(name, known);
      }
      callback(...outcome);
    });
  };
}
