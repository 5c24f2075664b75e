import { concat } from "../async/bytes.ts";
import { runCooperatively } from "../async/cooperative.ts";
import type { Settings } from "../config/settings.ts";
import { parseRetryAfter } from "../http/cache-headers.ts";
import type { ListName } from "../http/canonical-path.ts";
import { errorCode } from "../http/errors.ts";
import type { Clock } from "../http/freshness.ts";
import { InvalidModelList, parseModelList, scanRows, type ModelList } from "../models/model-list.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";
import { VERSION } from "../version.ts";
import { createConcurrencyLimiter, type Waiter } from "./concurrency-limit.ts";
import {
  fetchOutcome,
  fromErrorResponse,
  invalidResponse,
  notAttempted,
  serverError,
  timedOut,
  unreachable,
  UpstreamFailure,
} from "./failures.ts";

export interface ListRequest {
  readonly list: ListName;
  /** Without the question mark, and without parameters that upstream ignores. */
  readonly query: string;
  readonly credential: string;
  readonly origin: string | undefined;
}

export interface ListResponse {
  readonly list: ModelList;
  /** When the response began, in milliseconds since the epoch. */
  readonly answeredAt: number;
}

/** A client of NanoGPT's list endpoints. */
export interface ListClient {
  /** Fetches a list once, as soon as `waiter` gets a slot. Every error it throws is an UpstreamFailure. */
  fetchList(request: ListRequest, waiter: Waiter, signal: AbortSignal): Promise<ListResponse>;
}

/** The part of `fetch` that is used. It removes the content coding; it must follow no redirect and use no cache. */
export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; redirect: "manual"; cache: "no-store"; signal: AbortSignal },
) => Promise<Pick<Response, "status" | "headers" | "body">>;

const PATHS: Readonly<Record<ListName, string>> = {
  personalized: "/personalized/v1/models",
  canonical: "/v1/models",
  subscription: "/subscription/v1/models",
  paid: "/paid/v1/models",
};
const ERROR_MAX_BYTES = 64 * 1024;
// How long to wait for the text of an error: less than a client with a stored list waits in all (half of LIST_TIMEOUT).
const ERROR_BODY_SHARE_OF_TIMEOUT = 1 / 4;

export type ListClientSettings = Pick<Settings, "upstreamUrl" | "listMaxBytes" | "listTimeoutMs">;

const MAX_FETCHES = 16;
// A timeout after less than 70 % of LIST_TIMEOUT (the rest was spent queued) is not blamed on upstream.
const FAIR_SHARE_OF_TIMEOUT = 0.7;

/** Creates the client; at most 16 of its fetches run at a time. */
export function createListClient(
  settings: ListClientSettings,
  fetch: Fetch,
  now: Clock,
  metrics: MetricsRecorder,
  yieldToEventLoop: () => Promise<void>,
): ListClient {
  const { upstreamUrl, listMaxBytes, listTimeoutMs } = settings;
  const limiter = createConcurrencyLimiter(MAX_FETCHES, now);

  async function fetchNow(request: ListRequest, signal: AbortSignal): Promise<ListResponse> {
    const response = await fetch(urlOf(upstreamUrl, request), {
      headers: headersOf(request),
      redirect: "manual",
      // A Worker's fetch would otherwise use the zone's cache.
      cache: "no-store",
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? error : unreachable(error);
    });
    const answeredAt = now();
    const { status } = response;
    if (status === 200) {
      const body = await readBody(response.body, listMaxBytes);
      // Each step takes milliseconds for a long list: other work runs in between.
      await yieldToEventLoop();
      const scanned = await runCooperatively(scanRows(body), yieldToEventLoop, now);
      await yieldToEventLoop();
      return { list: parseModelList(scanned), answeredAt };
    }
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), answeredAt);
    if (status < 400 || status >= 500) {
      // The body of a redirect or a 5xx is not needed; without a cancel it would occupy the connection.
      await response.body?.cancel().catch(() => {});
      throw status < 500 ? invalidResponse(`status ${status}`) : serverError(status, retryAfterMs);
    }
    const body = await readErrorBody(response.body, listTimeoutMs * ERROR_BODY_SHARE_OF_TIMEOUT);
    throw fromErrorResponse(status, body, request.credential, retryAfterMs);
  }

  function toFailure(error: unknown, signal: AbortSignal, tookMs: number): UpstreamFailure {
    // Upstream's answer comes first: a rejected key is rejected, even if the timeout has passed by now.
    if (error instanceof UpstreamFailure) return error;
    const isFair = tookMs >= listTimeoutMs * FAIR_SHARE_OF_TIMEOUT;
    if (signal.aborted) return isFair ? timedOut() : notAttempted("slot too late");
    return invalidResponse(error instanceof InvalidModelList ? error.message : `broken body (${errorCode(error)})`);
  }

  return {
    async fetchList(request, waiter, signal) {
      const release = await limiter.acquire(waiter, signal, listTimeoutMs).catch(() => {
        metrics.recordFetch("not_attempted", 0);
        throw notAttempted("no free slot");
      });
      const startedAt = now();
      try {
        const response = await fetchNow(request, signal);
        metrics.recordFetch("good", now() - startedAt);
        return response;
      } catch (error) {
        const failure = toFailure(error, signal, now() - startedAt);
        metrics.recordFetch(fetchOutcome(failure), now() - startedAt);
        throw failure;
      } finally {
        release();
      }
    },
  };
}

function urlOf(base: string, { list, query }: ListRequest): string {
  return `${base}${PATHS[list]}${query === "" ? "" : `?${query}`}`;
}

function headersOf({ credential, origin }: ListRequest): Record<string, string> {
  const headers: Record<string, string> = {
    Authorization: `Bearer ${credential}`,
    Accept: "application/json",
    "Accept-Encoding": "gzip, br",
    "User-Agent": `keylane/${VERSION}`,
  };
  if (origin !== undefined) headers["Origin"] = origin;
  return headers;
}

// Counts decoded bytes as they arrive, so that a small compressed body cannot expand without limit.
async function readBody(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new InvalidModelList(`larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return concat(chunks);
}

// An error whose body is cut or does not end is still that error: the part that arrived is used.
async function readErrorBody(body: ReadableStream<Uint8Array> | null, maxMs: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  const timer = setTimeout(cancel, maxMs);
  try {
    for (let length = 0; length <= ERROR_MAX_BYTES; length += chunks.at(-1)?.length ?? 0) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) break;
      chunks.push(chunk.value);
    }
  } catch {
    // The body was cut or reset.
  } finally {
    clearTimeout(timer);
    cancel();
  }
  return concat(chunks);
}
