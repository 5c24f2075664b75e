import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Server as NetServer, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { App } from "../app.ts";
import type { Settings } from "../config/settings.ts";
import { badRequest, methodNotAllowed } from "../http/errors.ts";
import { mapMaybePromise, type MaybePromise } from "../async/maybe-promise.ts";
import { toRawRequest, validateRequest, isPlain, type ForwardFactory } from "./request.ts";
import { trackConnections } from "./connections.ts";
import { clientErrorHandler, writeRaw } from "./client-error.ts";

export interface RunningServer {
  /** Where it listens, such as `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Lets answers in flight end and closes. Gives false when some had to be cut at the end of DRAIN_TIMEOUT. */
  stop(): Promise<boolean>;
}

const IDLE_CONNECTION_MS = 75_000;
// A request may be on its way in a connection that looks idle, or follow an answer at once: it is answered, with
// `Connection: close`.
const LAST_REQUEST_MS = 500;
const DRAIN_STEP_MS = 25;

/** Listens. `drain` is called when a stop begins, `carry` makes the passthrough of one request. */
export async function startServer(
  app: App,
  settings: Settings,
  carry: ForwardFactory,
  drain: () => void,
): Promise<RunningServer> {
  const background = new Set<Promise<unknown>>();
  const context = {
    waitUntil(work: Promise<unknown>) {
      background.add(work);
      void work.finally(() => background.delete(work)).catch(() => {});
    },
    passThroughOnException() {},
    props: {},
  };
  let isDraining = false;
  const door = Promise.withResolvers<void>();

  const respond = getRequestListener(
    (request, { incoming, outgoing }) => {
      if (!(isHttp1(incoming) && isHttp1Answer(outgoing)))
        throw new TypeError("Only HTTP/1.1 is served here.");
      if (!isDraining) return meet(request, incoming, outgoing);
      outgoing.shouldKeepAlive = false;
      // Whoever is answered comes again, and the queue at the door would not get shorter.
      return door.promise.then(() => meet(request, incoming, outgoing));
    },
    // HTTP/1.0 knows no Host, and a Request needs one.
    {
      hostname: "localhost",
      errorHandler: () => app.errorResponse(badRequest("Send a request target and a Host that HTTP allows.")),
    },
  );

  function meet(
    request: Request,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): MaybePromise<Response> {
    const fault = validateRequest(incoming);
    if (fault !== undefined) return app.errorResponse(fault);
    const arrival = toRawRequest(incoming, outgoing, carry);
    return mapMaybePromise(app.fetch(request, arrival, context), (response) =>
      outgoing.headersSent ? RESPONSE_ALREADY_SENT : response,
    );
  }

  // A connection on which nothing more is read as a request.
  const last = new WeakSet<Socket>();

  // Says whether it is read as a request.
  function isHeard(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (last.has(incoming.socket)) return false;
    if (isLast(incoming)) {
      last.add(incoming.socket);
      outgoing.shouldKeepAlive = false;
    }
    return true;
  }

  function hear(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (isHeard(incoming, outgoing)) answer(incoming, outgoing);
  }

  // The adapter's own failures are its caller's; unheard, one would end the process.
  function answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (gaveFresh(incoming, outgoing)) return;
    Promise.resolve(respond(incoming, outgoing)).catch(() => outgoing.destroy());
  }

  // A list that is held fresh goes without a Request, a Response and the promises between them (6 % of a hit).
  function gaveFresh(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (isDraining || incoming.method !== "GET" || !isPlain(incoming)) return false;
    try {
      const fresh = app.fresh(toRawRequest(incoming, outgoing, carry));
      if (fresh === undefined) return false;
      outgoing.writeHead(fresh.status, fresh.headers).end(fresh.body);
    } catch {
      outgoing.destroy();
    }
    return true;
  }

  const server = createServer(
    {
      headersTimeout: settings.headersTimeoutMs,
      requestTimeout: Math.max(settings.requestTimeoutMs, settings.headersTimeoutMs),
      keepAliveTimeout: IDLE_CONNECTION_MS,
      // How often the two limits above are looked at; Node's own half a minute makes 10 s mean 40.
      connectionsCheckingInterval: Math.min(1000, settings.headersTimeoutMs),
      // Checked here, so that the answer has our shape.
      requireHostHeader: false,
      // A request without a body is over at once, instead of being a stream that nobody reads (8 % of a hit).
      optimizeEmptyRequests: true,
    },
    hear,
  );
  const open = trackConnections(server, settings.headersTimeoutMs);
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (!isHeard(incoming, outgoing)) return;
    const goOn = () => {
      // A body that will be refused need not be sent at all.
      if (Number(incoming.headers["content-length"] ?? 0) <= settings.maxBodyBytes) outgoing.writeContinue();
      answer(incoming, outgoing);
    };
    // While the answers before this one are written, Node would put the line into the middle of it.
    if (outgoing.socket === null) outgoing.once("socket", goOn);
    else goOn();
  });
  // RFC 9110 §10.1.1: an expectation nobody knows may be refused; what asks for an answer gets one.
  server.on("checkExpectation", hear);
  server.on("connect", (_incoming: IncomingMessage, socket: Duplex) => {
    // Node has let go of this socket: its errors are nobody's, and a stop would wait for it for ever.
    socket.on("error", () => {});
    void writeRaw(
      socket,
      app.errorResponse(methodNotAllowed("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")),
    );
  });
  server.on(
    "clientError",
    clientErrorHandler((error) => app.errorResponse(error)),
  );

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(settings.port, settings.host, () => {
      server.off("error", reject);
      resolve();
    });
  });

  async function stop(): Promise<boolean> {
    isDraining = true;
    drain();
    const startedAt = performance.now();
    await open.acceptPending(startedAt + Math.min(LAST_REQUEST_MS, settings.drainTimeoutMs));
    // http.Server's own close() would also cut the connections that look idle, at once.
    const closed = new Promise<true>((resolve) => {
      NetServer.prototype.close.call(server, () => resolve(true));
    });
    door.resolve();
    let isWhole = false;
    while (!isWhole && performance.now() - startedAt < settings.drainTimeoutMs) {
      isWhole = await Promise.race([closed, sleep(DRAIN_STEP_MS, false)]);
      if (performance.now() - startedAt < LAST_REQUEST_MS) continue;
      open.closeIdle(performance.now() - LAST_REQUEST_MS);
    }
    server.closeAllConnections();
    await closed;
    const leftMs = Math.max(0, settings.drainTimeoutMs - (performance.now() - startedAt));
    await Promise.race([Promise.allSettled(background), sleep(leftMs, undefined, { ref: false })]);
    return isWhole;
  }

  return { url: urlOf(server.address()), stop };
}

const isHttp1 = (incoming: object): incoming is IncomingMessage =>
  "rawHeaders" in incoming && !("authority" in incoming);
const isHttp1Answer = (outgoing: object): outgoing is ServerResponse => "shouldKeepAlive" in outgoing;

// Node's parser drops what came in one packet behind an offer to upgrade, and would read on in the middle of the rest.
// RFC 9112 §6.1: chunks from a sender of HTTP/1.0 are answered, and then the connection is closed.
function isLast({ headers, httpVersion }: IncomingMessage): boolean {
  return (
    headers.upgrade !== undefined || (httpVersion === "1.0" && headers["transfer-encoding"] !== undefined)
  );
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string")
    throw new TypeError("The server does not listen on a port.");
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
