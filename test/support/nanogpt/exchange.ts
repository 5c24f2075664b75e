import { EventEmitter, once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { credentialOf } from "./credential.ts";

/** A request as the stand-in received it. */
export interface Seen {
  readonly method: string;
  /** The request target as it stood on the request line. */
  readonly target: string;
  readonly rawHeaders: string[];
  readonly headers: IncomingHttpHeaders;
  /** The body bytes as received, growing as they arrive. */
  readonly body: Buffer;
  /** Whether the request body has arrived to its end. */
  readonly complete: boolean;
  /** Whether the client closed before the answer had ended. */
  readonly aborted: boolean;
  /** Resolves when either side has ended the exchange. */
  readonly closed: Promise<void>;
}

/** A request being answered. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly seen: Seen;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The API key or token, from either header. */
  readonly key: string | undefined;
  /** Aborts when the exchange is over, so that nothing outlives it. */
  readonly signal: AbortSignal;
  /** Yields the body as it arrives, from its first byte even when called late. */
  chunks(): AsyncGenerator<Buffer>;
  /** Resolves to the whole body. */
  body(): Promise<Buffer>;
  wait(ms: number): Promise<void>;
  /** Says that whatever ends the exchange from here on is our doing, not the client's. */
  takeBlame(): void;
}

/** Follows one request from its headers to its end. */
export function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const received: Buffer[] = [];
  const changes = new EventEmitter();
  const over = new AbortController();
  let complete = false;
  let aborted = false;
  let blamed = false;

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
      aborted = !response.writableFinished && !blamed;
      over.abort();
      resolve();
    });
  });

  async function* chunks(): AsyncGenerator<Buffer> {
    for (let next = 0; ; next++) {
      while (next === received.length) {
        if (complete) return;
        await once(changes, "change", { signal: over.signal });
      }
      yield* received.slice(next, next + 1);
    }
  }

  const target = request.url ?? "";
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
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
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark)),
    key: credentialOf(request.headers),
    signal: over.signal,
    chunks,
    async body() {
      const all: Buffer[] = [];
      for await (const chunk of chunks()) all.push(chunk);
      return Buffer.concat(all);
    },
    async wait(ms) {
      await sleep(ms, undefined, { signal: over.signal });
    },
    takeBlame() {
      blamed = true;
    },
  };
}
