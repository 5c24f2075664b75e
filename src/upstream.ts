import { checkCatalog, InvalidCatalog, type Catalog } from "./catalog.ts";
import { UpstreamFailure, problem } from "./errors.ts";
import { retryAfterMs } from "./freshness.ts";
import type { ListName } from "./paths.ts";
import { rejection } from "./rejection.ts";
import { VERSION } from "./version.ts";

export interface ListRequest {
  readonly list: ListName;
  /** Meaningful parameters only, without the question mark. */
  readonly query: string;
  readonly credential: string;
  readonly origin: string | undefined;
}

export interface Answer {
  readonly catalog: Catalog;
  /** Milliseconds since the epoch, when the answer began. */
  readonly answeredAt: number;
}

export interface Upstream {
  /** Asks for a list once. Throws an UpstreamFailure, and nothing else. */
  ask(request: ListRequest, signal: AbortSignal): Promise<Answer>;
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

/** The only room that asks for a list. `base` has no slash at the end; `maxBytes` bounds the decoded body. */
export function upstream(base: string, maxBytes: number, fetch: Fetch, now: () => number): Upstream {
  async function ask(request: ListRequest, signal: AbortSignal): Promise<Answer> {
    const response = await fetch(urlOf(base, request), {
      headers: headersOf(request),
      redirect: "manual",
      // A Worker's fetch would read through the zone's own cache.
      cache: "no-store",
      signal,
    }).catch((fault: unknown) => {
      throw unreachable(fault);
    });
    const answeredAt = now();
    const { status } = response;
    if (status === 200) {
      const body = await read(response.body, maxBytes);
      return { catalog: checkCatalog(body), answeredAt };
    }
    const retryAfter = retryAfterMs(response.headers.get("retry-after"), answeredAt);
    if (status < 400 || status >= 500) {
      // Nobody reads the body of a redirect or a fault; left alone it would keep the connection.
      await response.body?.cancel().catch(() => {});
      throw status < 500 ? invalid(`status ${status}`) : faulty(status, retryAfter);
    }
    // An error whose body breaks is still that error.
    const body = await read(response.body, ERROR_MAX_BYTES).catch(() => new Uint8Array());
    throw rejection(status, body, request.credential, retryAfter);
  }

  return {
    ask: (request, signal) =>
      ask(request, signal).catch((fault: unknown) => {
        if (signal.aborted) throw timedOut();
        if (fault instanceof UpstreamFailure) throw fault;
        throw invalid(fault instanceof InvalidCatalog ? fault.message : `broken body (${codeOf(fault)})`);
      }),
  };
}

export const timedOut = (): UpstreamFailure =>
  failed(504, "upstream_timeout", "NanoGPT did not answer in time: try again.", "timeout");

const invalid = (reason: string): UpstreamFailure =>
  failed(
    502,
    "upstream_invalid_response",
    "NanoGPT's answer was not a usable model list: try again.",
    reason,
  );

const unreachable = (fault: unknown): UpstreamFailure => {
  const message = "NanoGPT could not be reached: check this host's network and UPSTREAM_URL, then try again.";
  return failed(502, "upstream_unreachable", message, `unreachable (${codeOf(fault)})`);
};

// 503 tells a caller to wait; every other fault of upstream is a bad gateway to him.
const faulty = (status: number, retryAfter: number | undefined): UpstreamFailure =>
  status === 503
    ? failed(
        503,
        "upstream_unavailable",
        "NanoGPT is unavailable for now: try again.",
        "status 503",
        retryAfter,
      )
    : failed(
        502,
        "upstream_error",
        "NanoGPT had an error of its own: try again.",
        `status ${status}`,
        retryAfter,
      );

/** Makes a failure of whatever was thrown while a list was made; what is no UpstreamFailure is a defect of ours. */
export function asFailure(fault: unknown): UpstreamFailure {
  if (fault instanceof UpstreamFailure) return fault;
  return failed(502, "upstream_error", "The list could not be made: try again.", `fault (${codeOf(fault)})`);
}

function failed(
  status: number,
  code: string,
  message: string,
  reason: string,
  retryAfter?: number,
): UpstreamFailure {
  return new UpstreamFailure("failed", problem(status, code, message), reason, retryAfter);
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
    if (length > maxBytes) throw new InvalidCatalog(`larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

// The runtime's code alone: its messages may quote what was sent.
function codeOf(fault: unknown): string {
  for (let error = fault; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string") return error.code;
  }
  return fault instanceof Error ? fault.name : "unknown";
}
