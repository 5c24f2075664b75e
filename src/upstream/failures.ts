import { errorBody, errorCode, isTransient, UPSTREAM_TIMEOUT, type ErrorBody } from "../http/errors.ts";
import { isJsonObject, parseJson, type JsonObject } from "../http/json.ts";
import type { FetchOutcome } from "../observability/metrics.ts";

/**
 * What a failed list fetch means for stored lists (README, "The life of a list"): `unauthorized` deletes everything of the
 * key, `rejected` deletes that list, `failed` and `not_attempted` keep it. All but `not_attempted` are remembered.
 */
export type FailureKind = "unauthorized" | "rejected" | "failed" | "not_attempted";

/** A list fetch that brought no valid list. All requests that waited for it share it; it is remembered for a while. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  readonly kind: FailureKind;
  readonly body: ErrorBody;
  /** Upstream's Retry-After. */
  readonly retryAfterMs: number | undefined;
  /** For the log; made of fixed texts and the runtime's error codes only. */
  readonly reason: string;

  constructor(kind: FailureKind, body: ErrorBody, reason: string, retryAfterMs?: number) {
    super(body.message);
    this.kind = kind;
    this.body = body;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Upstream did not answer in time. */
export const timedOut = (): UpstreamFailure => new UpstreamFailure("failed", UPSTREAM_TIMEOUT, "timeout");

/** Upstream was not asked, or so late that its silence proves nothing. */
export const notAttempted = (reason: string): UpstreamFailure =>
  new UpstreamFailure(
    "not_attempted",
    errorBody(
      504,
      "upstream_timeout",
      "Too many lists were asked for at once, and this one's turn did not come in time: try again.",
    ),
    reason,
  );

/** The response is not a model list. `reason` is a fixed text for the log. */
export const invalidResponse = (reason: string): UpstreamFailure =>
  failed(
    502,
    "upstream_invalid_response",
    "NanoGPT's answer was not a usable model list: try again, and check UPSTREAM_URL if this stays.",
    reason,
  );

/** There was no response. */
export const unreachable = (error: unknown): UpstreamFailure => {
  const advice = "check this host's network and UPSTREAM_URL";
  const message = `NanoGPT could not be reached: ${advice}, then try again.`;
  return failed(502, "upstream_unreachable", message, `unreachable (${errorCode(error)}): ${advice}`);
};

/** Upstream's 503 stays; any other 5xx becomes 502. */
export const serverError = (status: number, retryAfterMs: number | undefined): UpstreamFailure =>
  status === 503
    ? failed(503, "upstream_unavailable", "NanoGPT is unavailable for now: try again.", "status 503", retryAfterMs)
    : failed(502, "upstream_error", "NanoGPT returned an error: try again.", `status ${status}`, retryAfterMs);

/** Wraps an error thrown by a fetch; any other than an UpstreamFailure is a defect of Keylane. */
export function toUpstreamFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const reason = `internal error (${errorCode(error)})`;
  return failed(502, "upstream_error", "The list could not be made: try again.", reason);
}

function failed(status: number, code: string, message: string, reason: string, retryAfterMs?: number): UpstreamFailure {
  return new UpstreamFailure("failed", errorBody(status, code, message), reason, retryAfterMs);
}

/**
 * Reads an upstream 4xx on a list route in any of NanoGPT's envelopes: `{"error":{message,type,code,param}}`,
 * `{"error":"…"}` or flat `{"code","message"}`. Keeps its status; masks the credential wherever it is quoted.
 */
export function fromErrorResponse(
  status: number,
  responseBody: Uint8Array,
  credential: string,
  retryAfterMs: number | undefined,
): UpstreamFailure {
  const parsed = parseJson(new TextDecoder().decode(responseBody));
  const json: JsonObject = isJsonObject(parsed) ? parsed : {};
  const { error = json } = json;
  const inner = isJsonObject(error) ? error : { ...json, message: json["message"] ?? error };
  const text = (name: string): string | undefined => safeText(inner[name], credential);
  const message = text("message") ?? MESSAGES.get(status) ?? OTHER_MESSAGE;
  const body = errorBody(status, text("code") ?? null, message, {
    type: text("type"),
    param: text("param") ?? null,
  });
  return new UpstreamFailure(kindOf(status), body, `status ${status}`, retryAfterMs);
}

const MESSAGES: ReadonlyMap<number, string> = new Map([
  [401, "NanoGPT does not accept this key: check it, or make a new one."],
  [403, "NanoGPT does not allow this key to do that: check its restrictions."],
  [404, "NanoGPT has no such list at this address: check UPSTREAM_URL and MODELS_LIST."],
  [429, "NanoGPT asks to wait before the next request: try again after the time in Retry-After."],
]);
const OTHER_MESSAGE = "NanoGPT refused the request for the model list: check the key, UPSTREAM_URL and MODELS_LIST.";
const MAX_TEXT_LENGTH = 1000;

function kindOf(status: number): FailureKind {
  if (status === 401) return "unauthorized";
  return isTransient(status) ? "failed" : "rejected";
}

// Markup is of no use to a tool; a quoted key must not be shown.
function safeText(value: unknown, credential: string): string | undefined {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "" || /<[a-z!/?]/i.test(value)) return undefined;
  const masked = value.replaceAll(credential, "[key]").slice(0, MAX_TEXT_LENGTH);
  // Copied, since a slice would keep the whole text in memory.
  return masked.length < value.length ? new TextDecoder().decode(new TextEncoder().encode(masked)) : masked;
}

/** The outcome of a failed fetch for the metrics. The code of a 4xx is upstream's own, so its status decides. */
export function fetchOutcome({ kind, body }: Pick<UpstreamFailure, "kind" | "body">): FetchOutcome {
  if (kind !== "failed") return kind;
  if (body.status < 500) return "rate_limited";
  return OUTCOME_BY_CODE.get(body.code) ?? "error";
}

const OUTCOME_BY_CODE: ReadonlyMap<string | null, FetchOutcome> = new Map([
  ["upstream_timeout", "timeout"],
  ["upstream_unreachable", "unreachable"],
  ["upstream_invalid_response", "invalid"],
]);
