import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { ExecutionContext } from "hono";
import type { App } from "../app.ts";
import { mapMaybePromise, type MaybePromise } from "../async/maybe-promise.ts";
import { badRequest, methodNotAllowed, type ApiError } from "../http/errors.ts";
import { joinedHeader } from "../http/headers.ts";
import type { Forward, RawRequest } from "../http/request-context.ts";
import { PASSTHROUGH_METHODS } from "../routes/passthrough.ts";
import { clientErrorHandler, writeRaw } from "./client-error.ts";

/** What a stop can tell the request pipeline. */
export interface RequestListeners {
  /** From now on a response closes its connection, and new requests wait for `release`. */
  drain(): void;
  /** Handles the requests that waited: by now all connections have been accepted. */
  release(): void;
  /** Refreshes that outlive their request. */
  readonly background: ReadonlySet<Promise<unknown>>;
}

/** Handles every event of a server that a request can cause. */
export function attachRequestListeners(
  server: Server,
  app: App,
  { maxBodyBytes }: { readonly maxBodyBytes: number },
  forward: ForwardFactory,
): RequestListeners {
  const { context, work } = createBackgroundWork();
  let isDraining = false;
  const accepted = Promise.withResolvers<void>();
  // Connections on which nothing more is read as a request.
  const closing = new WeakSet<Socket>();

  const listener = getRequestListener(
    (request, { incoming, outgoing }) => {
      if (!(isHttp1(incoming) && isHttp1Response(outgoing))) throw new TypeError("Only HTTP/1.1 is served here.");
      if (!isDraining) return handle(request, incoming, outgoing);
      outgoing.shouldKeepAlive = false;
      // An answer at once would let clients reconnect, and keep the accept queue full.
      return accepted.promise.then(() => handle(request, incoming, outgoing));
    },
    {
      // HTTP/1.0 knows no Host, and a Request needs one.
      hostname: "localhost",
      errorHandler: () => app.errorResponse(badRequest("Send a request target and a Host that HTTP allows.")),
    },
  );

  function handle(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): MaybePromise<Response> {
    const error = validateRequest(incoming);
    if (error !== undefined) return app.errorResponse(error);
    const raw = toRawRequest(incoming, outgoing, forward);
    return mapMaybePromise(app.fetch(request, raw, context), (response) =>
      outgoing.headersSent ? RESPONSE_ALREADY_SENT : response,
    );
  }

  function acceptsRequests(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (closing.has(incoming.socket)) return false;
    if (mustClose(incoming)) {
      closing.add(incoming.socket);
      outgoing.shouldKeepAlive = false;
    }
    return true;
  }

  function onRequest(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (acceptsRequests(incoming, outgoing)) respond(incoming, outgoing);
  }

  // A failure of the adapter itself would otherwise be an unhandled rejection.
  function respond(incoming: IncomingMessage, outgoing: ServerResponse): void {
    Promise.resolve(listener(incoming, outgoing)).catch(() => outgoing.destroy());
  }

  function onCheckContinue(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (!acceptsRequests(incoming, outgoing)) return;
    const proceed = () => {
      // A body that will be refused need not be sent at all.
      if (Number(incoming.headers["content-length"] ?? 0) <= maxBodyBytes) outgoing.writeContinue();
      respond(incoming, outgoing);
    };
    // While earlier responses are being written, Node would put the 100 Continue into the middle of one.
    if (outgoing.socket === null) outgoing.once("socket", proceed);
    else proceed();
  }

  function onConnect(_incoming: IncomingMessage, socket: Duplex): void {
    // Node has given this socket away: without a listener its errors would end the process, and a stop would wait for it.
    socket.on("error", () => {});
    void writeRaw(socket, app.errorResponse(methodNotAllowed(PASSTHROUGH_METHODS)));
  }

  server.on("request", onRequest);
  server.on("checkContinue", onCheckContinue);
  // RFC 9110 §10.1.1: an unknown expectation may be ignored, and a request is answered.
  server.on("checkExpectation", onRequest);
  server.on("connect", onConnect);
  server.on(
    "clientError",
    clientErrorHandler((error) => app.errorResponse(error)),
  );
  return {
    drain: () => void (isDraining = true),
    release: () => accepted.resolve(),
    background: work,
  };
}

/** Hono's execution context on Node: the work that a stop waits for. */
function createBackgroundWork() {
  const work = new Set<Promise<unknown>>();
  const context: ExecutionContext = {
    waitUntil(promise: Promise<unknown>) {
      work.add(promise);
      void promise.finally(() => work.delete(promise)).catch(() => {});
    },
    passThroughOnException() {},
    props: {},
  };
  return { context, work };
}

const isHttp1 = (incoming: object): incoming is IncomingMessage =>
  "rawHeaders" in incoming && !("authority" in incoming);
const isHttp1Response = (outgoing: object): outgoing is ServerResponse => "shouldKeepAlive" in outgoing;

// Node's parser drops what came in one packet behind an offer to upgrade, and would read on in the middle of the rest.
// RFC 9112 §6.1: after chunks from a sender of HTTP/1.0 the connection is closed.
function mustClose({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.upgrade !== undefined || (httpVersion === "1.0" && headers["transfer-encoding"] !== undefined);
}

/** Makes the passthrough of one request. */
export type ForwardFactory = (incoming: IncomingMessage, outgoing: ServerResponse) => Forward;

/** What Node knows of a request and a Request does not keep. */
export function toRawRequest(incoming: IncomingMessage, outgoing: ServerResponse, forward: ForwardFactory): RawRequest {
  return {
    target: incoming.url ?? "",
    rawHeaders: () => incoming.rawHeaders,
    header: (name) => joinedHeader(incoming.rawHeaders, name),
    // Only for the calls that pass through.
    forward: (call) => forward(incoming, outgoing)(call),
  };
}

/** The error of a request that Node's parser lets through all the same. */
export function validateRequest(incoming: IncomingMessage): ApiError | undefined {
  return versionError(incoming) ?? hostError(incoming);
}

// Node's parser also takes 0.9 and 2.0, and reads them as 1.0.
function versionError({ httpVersion }: IncomingMessage): ApiError | undefined {
  if (httpVersion === "1.1" || httpVersion === "1.0") return undefined;
  return badRequest("Send a request of HTTP/1.1.");
}

// RFC 9112 §3.2: a request of HTTP/1.1 has one Host, and a server must refuse any other number.
function hostError({ rawHeaders, httpVersion }: IncomingMessage): ApiError | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === "1.0")) return undefined;
  return badRequest("Send one Host header.");
}
