import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** The inside of OpenAI's error envelope, and its status. */
export interface ErrorBody {
  readonly status: number;
  /** One sentence that says what to do. Never holds a credential. */
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
}

/** An error that a client gets in OpenAI's shape, with response headers of its own such as Retry-After. */
export class ApiError extends HTTPException {
  override readonly name = "ApiError";
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(body: ErrorBody, headers: Readonly<Record<string, string>> = {}) {
    super(isErrorStatus(body.status) ? body.status : 500, { message: body.message });
    this.body = body;
    this.headers = headers;
  }
}

// Hono's type lists IANA's registry; NanoGPT may send any 4xx, which goes down as it came.
function isErrorStatus(status: number): status is ContentfulStatusCode {
  return status >= 400 && status <= 599;
}

/** Whether a status means "not now" rather than "not you" or "not this" (RFC 9110 §15.5 and §15.6, RFC 6585, RFC 8470). */
export function isTransient(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Makes an error body; type and param are OpenAI's defaults for the status unless given. */
export function errorBody(
  status: number,
  code: string | null,
  message: string,
  { type = typeOf(status), param = null }: { type?: string | undefined; param?: string | null } = {},
): ErrorBody {
  return { status, code, message, type, param };
}

/** Serializes the envelope `{"error":{message,type,param,code}}`. */
export function serializeError({ message, type, param, code }: ErrorBody): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

/** An ApiError of a new body. */
export function apiError(status: number, code: string, message: string, headers?: Record<string, string>): ApiError {
  return new ApiError(errorBody(status, code, message), headers);
}

export const badRequest = (message: string): ApiError => apiError(400, "bad_request", message);

export const unauthorized = (code: "missing_api_key" | "invalid_api_key", message: string): ApiError =>
  apiError(401, code, message, { "WWW-Authenticate": "Bearer" });

export const notFound = (): ApiError =>
  apiError(404, "not_found", "No such path here: set the tool's base URL to this host followed by /v1.");

export const methodNotAllowed = (allowed: string): ApiError =>
  apiError(405, "method_not_allowed", `Use one of the methods this path has: ${allowed}.`, { Allow: allowed });

export const bodyTooLarge = (maxBytes: number): ApiError =>
  apiError(413, "body_too_large", `Send a smaller body: at most ${maxBytes} bytes (MAX_BODY_SIZE).`);

/** NanoGPT did not answer within the time of a list fetch or a passthrough call. */
export const UPSTREAM_TIMEOUT: ErrorBody = errorBody(
  504,
  "upstream_timeout",
  "NanoGPT did not answer in time: try again.",
);

/** A 5xx of Keylane's own on a passthrough call; nothing of the response has been sent. */
export const badGateway = (status: number, code: string, message: string): ApiError =>
  apiError(status, code, message, { "Retry-After": "1" });

export const upstreamTimeout = (): ApiError => new ApiError(UPSTREAM_TIMEOUT, { "Retry-After": "1" });

export const upstreamUnreachable = (advice: string): ApiError =>
  badGateway(502, "upstream_unreachable", `NanoGPT could not be reached: ${advice}, then try again.`);

/** The runtime's code for an error, such as ECONNREFUSED, else its name. Messages may quote what was sent. */
export function errorCode(fault: unknown): string {
  for (let error = fault; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string") return error.code;
  }
  return fault instanceof Error ? fault.name : "unknown";
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}
