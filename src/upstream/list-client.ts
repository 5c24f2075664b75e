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
  /** Meaningful parameters only, without the question mark. */
  readonly query: string;
  readonly credential: string;
  readonly origin: string | undefined;
}

export interface ListResponse {
  readonly list: ModelList;
  /** Milliseconds since the epoch, when the response began. */
  readonly answeredAt: number;
}

/** The only client of NanoGPT's list endpoints. */
export interface ListClient {
  /** Fetches a list once, when the waiter gets a slot. Throws an UpstreamFailure, and nothing else. */
  fetchList(request: ListRequest, waiter: Waiter, signal: AbortSignal): Promise<ListResponse>;
}

/** The part of fetch that is used: it decodes the body, follows no redirect and stores nothing. */
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
// The text of an error is worth a wait, but a shorter one than that of a client with a stored list (a half).
const ERROR_BODY_SHARE_OF_TIMEOUT = 1 / 4;

export type ListClientSettings = Pick<Settings, "upstreamUrl" | "listMaxBytes" | "listTimeoutMs">;

const MAX_FETCHES = 16;
// A timeout after less than 70 % of LIST_TIMEOUT (the rest was spent queued) is not blamed on upstream.
const FAIR_SHARE_OF_TIMEOUT = 0.7;

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
      // A Worker's fetch would read through the zone's own cache.
      cache: "no-store",
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? error : unreachable(error);
    });
    const answeredAt = now();
    const { status } = response;
    if (status === 200) {
      const body = await readBody(response.body, listMaxBytes);
      // Each step takes milliseconds where a list is long: other work runs in between.
      await yieldToEventLoop();
      const scanned = await runCooperatively(scanRows(body), yieldToEventLoop, now);
      await yieldToEventLoop();
      return { list: parseModelList(scanned), answeredAt };
    }
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), answeredAt);
    if (status < 400 || status >= 500) {
      // The body of a redirect or a 5xx is not read; unless cancelled it would occupy the connection.
      await response.body?.cancel().catch(() => {});
      throw status < 500 ? invalidResponse(`status ${status}`) : serverError(status, retryAfterMs);
    }
    const body = await readErrorBody(response.body, listTimeoutMs * ERROR_BODY_SHARE_OF_TIMEOUT);
    throw fromErrorResponse(status, body, request.credential, retryAfterMs);
  }

  function toFailure(error: unknown, signal: AbortSignal, tookMs: number): UpstreamFailure {
    // First of all what upstream said: a key that it refused is refused, even where the time was over by then.
    if (error instanceof UpstreamFailure) return error;
    const isFair = tookMs >= listTimeoutMs * FAIR_SHARE_OF_TIMEOUT;
    if (signal.aborted) return isFair ? timedOut() : notAttempted("late turn");
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

// Counts decoded bytes as they come, so that a small body that unpacks to a huge one is cut early.
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

// An error whose body breaks or does not end is still that error: the part that came is used.
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
    // Cut or reset.
  } finally {
    clearTimeout(timer);
    cancel();
  }
  return concat(chunks);
}
