import { createConcurrencyLimiter, type Waiter } from "./concurrency-limit.ts";
import { parseModelList, scanRows, InvalidModelList, type ModelList } from "../models/model-list.ts";
import { errorCode } from "../http/errors.ts";
import type { MetricsRecorder } from "../observability/metrics.ts";
import {
  serverError,
  invalidResponse,
  QUEUE_TIMEOUT,
  fromErrorResponse,
  TIMED_OUT,
  unreachable,
  UpstreamFailure,
  fetchOutcome,
} from "./failures.ts";
import type { ListName } from "../http/canonical-path.ts";
import { runCooperatively } from "../async/cooperative.ts";
import { VERSION } from "../version.ts";
import { parseRetryAfter } from "../http/cache-control.ts";
import { concat } from "../async/bytes.ts";

export interface ListRequest {
  readonly list: ListName;
  /** Meaningful parameters only, without the question mark. */
  readonly query: string;
  readonly credential: string;
  readonly origin: string | undefined;
}

export interface ListResponse {
  readonly models: ModelList;
  /** Milliseconds since the epoch, when the answer began. */
  readonly answeredAt: number;
}

export interface ListClient {
  /** Asks for a list once, when it is the guest's turn. Throws an UpstreamFailure, and nothing else. */
  fetchList(request: ListRequest, guest: Waiter, signal: AbortSignal): Promise<ListResponse>;
}

/** The part of fetch that is used: it decodes the body, follows nothing and keeps nothing. */
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
// Its words are worth a wait, but a shorter one than a caller with a stored list has patience for.
const ERROR_PART_OF_TIMEOUT = 4;

export interface ListClientSettings {
  /** Without a slash at the end. */
  readonly upstreamUrl: string;
  /** Bounds the decoded body. */
  readonly listMaxBytes: number;
  readonly listTimeoutMs: number;
}

const MAX_FETCHES = 16;
// A fetch that had less than this part of LIST_TIMEOUT, for the wait before it, proves nothing by its silence.
const FAIR_PART_OF_TIMEOUT = 0.7;

/** The only room that asks for a list. */
export function createListClient(
  settings: ListClientSettings,
  fetch: Fetch,
  now: () => number,
  observe: MetricsRecorder,
  nextTurn: () => Promise<void>,
): ListClient {
  const { upstreamUrl: base, listMaxBytes: maxBytes, listTimeoutMs } = settings;
  const places = createConcurrencyLimiter(MAX_FETCHES, now);

  async function ask(request: ListRequest, signal: AbortSignal): Promise<ListResponse> {
    const response = await fetch(urlOf(base, request), {
      headers: headersOf(request),
      redirect: "manual",
      // A Worker's fetch would read through the zone's own cache.
      cache: "no-store",
      signal,
    }).catch((fault: unknown) => {
      throw signal.aborted ? fault : unreachable(fault);
    });
    const answeredAt = now();
    const { status } = response;
    if (status === 200) {
      const body = await read(response.body, maxBytes);
      // Each step takes milliseconds where a list is long: others go between.
      await nextTurn();
      const parsable = await runCooperatively(scanRows(body), nextTurn, now);
      await nextTurn();
      return { models: parseModelList(parsable), answeredAt };
    }
    const retryAfter = parseRetryAfter(response.headers.get("retry-after"), answeredAt);
    if (status < 400 || status >= 500) {
      // Nobody reads the body of a redirect or a fault; left alone it would keep the connection.
      await response.body?.cancel().catch(() => {});
      throw status < 500 ? invalidResponse(`status ${status}`) : serverError(status, retryAfter);
    }
    const body = await readError(response.body, listTimeoutMs / ERROR_PART_OF_TIMEOUT);
    throw fromErrorResponse(status, body, request.credential, retryAfter);
  }

  return {
    async fetchList(request, guest, signal) {
      const leave = await places.acquire(guest, signal, listTimeoutMs).catch(() => {
        observe.recordFetch("unasked", 0);
        throw unasked("no free place");
      });
      const startedAt = now();
      try {
        const answer = await ask(request, signal);
        observe.recordFetch("good", now() - startedAt);
        return answer;
      } catch (fault) {
        const failure = failureOf(fault, signal, now() - startedAt);
        observe.recordFetch(fetchOutcome(failure), now() - startedAt);
        throw failure;
      } finally {
        leave();
      }
    },
  };

  function failureOf(fault: unknown, signal: AbortSignal, tookMs: number): UpstreamFailure {
    // First of all what upstream said: a key that it refused is refused, though the time was over then.
    if (fault instanceof UpstreamFailure) return fault;
    // Where the turn came late, silence says little about upstream: nobody is refused for it.
    const isFair = tookMs >= listTimeoutMs * FAIR_PART_OF_TIMEOUT;
    if (signal.aborted) return isFair ? timedOut() : unasked("late turn");
    return invalidResponse(
      fault instanceof InvalidModelList ? fault.message : `broken body (${errorCode(fault)})`,
    );
  }
}

function unasked(reason: string): UpstreamFailure {
  return new UpstreamFailure("unasked", QUEUE_TIMEOUT, reason);
}

function timedOut(): UpstreamFailure {
  return new UpstreamFailure("failed", TIMED_OUT, "timeout");
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

// Counts decoded bytes as they come, so that a small body that unpacks to a huge one ends early.
async function read(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new InvalidModelList(`larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return concat(chunks);
}

// An error whose body breaks or does not end is still that error: what came of it has to do.
async function readError(body: ReadableStream<Uint8Array> | null, maxMs: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  const leave = () => void reader?.cancel().catch(() => {});
  const timer = setTimeout(leave, maxMs);
  try {
    for (let length = 0; length <= ERROR_MAX_BYTES; length += chunks.at(-1)?.length ?? 0) {
      const piece = await reader?.read();
      if (piece?.value === undefined) break;
      chunks.push(piece.value);
    }
  } catch {
    // Cut or reset.
  } finally {
    clearTimeout(timer);
    leave();
  }
  return concat(chunks);
}
