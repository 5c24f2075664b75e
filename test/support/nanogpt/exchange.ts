import { EventEmitter, once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { credentialOf } from "./credential.ts";

/** A request as the stand-in received it. */
export interface ReceivedRequest {
  readonly method: string;
  /** The request target, exactly as on the request line. */
  readonly target: string;
  readonly rawHeaders: string[];
  readonly headers: IncomingHttpHeaders;
  /** The body bytes received so far. */
  readonly body: Buffer;
  /** Whether the request body is complete. */
  readonly complete: boolean;
  /** Whether the client disconnected before the end of the answer. */
  readonly aborted: boolean;
  /** Resolves when either side has ended the exchange. */
  readonly closed: Promise<void>;
}

/** A request being answered. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly seen: ReceivedRequest;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The API key or token, from either header. */
  readonly key: string | undefined;
  /** Aborts when the exchange is over. */
  readonly signal: AbortSignal;
  /** Yields the body as it arrives, always from its first byte. */
  chunks(): AsyncGenerator<Buffer>;
  /** Resolves to the whole body. */
  body(): Promise<Buffer>;
  wait(ms: number): Promise<void>;
  /** Keeps `aborted` false, since the stand-in itself is about to end the exchange. */
  markEndedByServer(): void;
}

/** Creates the exchange of a request whose headers have arrived. */
export function createExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const received: Buffer[] = [];
  const changes = new EventEmitter();
  const ended = new AbortController();
  let complete = false;
  let aborted = false;
  let endedByServer = false;

  request.on("data", (chunk: Buffer) => {
    received.push(chunk);
    changes.emit("change");
  });
  request.on("end", () => {
    complete = true;
    changes.emit("change");
  });
  // A write to a closed connection fails here; `closed` has resolved already.
  response.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    response.on("close", () => {
      aborted = !response.writableFinished && !endedByServer;
      ended.abort();
      resolve();
    });
  });

  async function* chunks(): AsyncGenerator<Buffer> {
    for (let next = 0; ; next++) {
      while (next === received.length) {
        if (complete) return;
        await once(changes, "change", { signal: ended.signal });
      }
      yield* received.slice(next, next + 1);
    }
  }

  const target = request.url ?? "";
  const queryStart = target.indexOf("?");
  const path = queryStart < 0 ? target : target.slice(0, queryStart);
  return {
    request,
    response,
    seen: {
      method: request.method ?? "",
      target,
      rawHeaders: request.rawHeaders,
      headers: request.headers,
      get body() {
        return Buffer.concat(received);
      },
      get complete() {
        return complete;
      },
      get aborted() {
        return aborted;
      },
      closed,
    },
    path,
    query: new URLSearchParams(queryStart < 0 ? "" : target.slice(queryStart)),
    key: credentialOf(request.headers),
    signal: ended.signal,
    chunks,
    async body() {
      const all: Buffer[] = [];
      for await (const chunk of chunks()) all.push(chunk);
      return Buffer.concat(all);
    },
    async wait(ms) {
      await sleep(ms, undefined, { signal: ended.signal });
    },
    markEndedByServer() {
      endedByServer = true;
    },
  };
}
