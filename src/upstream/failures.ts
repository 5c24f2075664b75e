import { errorCode, isTransient, errorBody, type ErrorBody } from "../http/errors.ts";
import type { Log, LogFields } from "../observability/log.ts";
import type { FetchOutcome } from "../observability/metrics.ts";
import { throttledLog } from "../observability/throttled-log.ts";

const MAX_TEXT_LENGTH = 1000;

/** What a caller is told when the time for a list is over. */
export const TIMED_OUT: ErrorBody = errorBody(
  504,
  "upstream_timeout",
  "NanoGPT did not answer in time: try again.",
);

/** What a caller is told for whom upstream was not even asked, or too late to say. */
export const QUEUE_TIMEOUT: ErrorBody = errorBody(
  504,
  "upstream_timeout",
  "Too many lists were asked for at once, and this one's turn did not come in time: try again.",
);

/** Something came that is no list. `reason` is for the log and in our own words. */
export const invalidResponse = (reason: string): UpstreamFailure =>
  failed(
    502,
    "upstream_invalid_response",
    "NanoGPT's answer was not a usable model list: try again, and check UPSTREAM_URL if this stays.",
    reason,
  );

/** Nothing came. */
export const unreachable = (fault: unknown): UpstreamFailure => {
  const advice = "check this host's network and UPSTREAM_URL";
  const message = `NanoGPT could not be reached: ${advice}, then try again.`;
  return failed(502, "upstream_unreachable", message, `unreachable (${errorCode(fault)}): ${advice}`);
};

/** A 5xx: 503 tells a caller to wait; every other one is a bad gateway to him. */
export const serverError = (status: number, retryAfter: number | undefined): UpstreamFailure =>
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
export function toUpstreamFailure(fault: unknown): UpstreamFailure {
  if (fault instanceof UpstreamFailure) return fault;
  return failed(
    502,
    "upstream_error",
    "The list could not be made: try again.",
    `fault (${errorCode(fault)})`,
  );
}

function failed(
  status: number,
  code: string,
  message: string,
  reason: string,
  retryAfter?: number,
): UpstreamFailure {
  return new UpstreamFailure("failed", errorBody(status, code, message), reason, retryAfter);
}

/**
 * Reads an upstream 4xx on a list route in any of NanoGPT's envelopes: `{"error":{message,type,code,param}}`,
 * `{"error":"…"}` or flat `{"code","message"}`. Its status stays; the credential is masked wherever it is quoted.
 */
export function fromErrorResponse(
  status: number,
  body: Uint8Array,
  credential: string,
  retryAfterMs: number | undefined,
): UpstreamFailure {
  const json = parsed(body);
  const { error = json } = json;
  const inner = isObject(error) ? error : { ...json, message: json["message"] ?? error };
  const said = (name: string): string | undefined => text(inner[name], credential);
  const told = errorBody(
    status,
    said("code") ?? null,
    said("message") ?? MESSAGES.get(status) ?? OTHER_MESSAGE,
    {
      type: said("type"),
      param: said("param") ?? null,
    },
  );
  return new UpstreamFailure(kindOf(status), told, `status ${status}`, retryAfterMs);
}

const MESSAGES: ReadonlyMap<number, string> = new Map([
  [401, "NanoGPT does not accept this key: check it, or make a new one."],
  [403, "NanoGPT does not allow this key to do that: check its restrictions."],
  [404, "NanoGPT has no such list at this address: check UPSTREAM_URL and MODELS_LIST."],
  [429, "NanoGPT asks to wait before the next request: try again after the time in Retry-After."],
]);
const OTHER_MESSAGE =
  "NanoGPT refused the request for the model list: check the key, UPSTREAM_URL and MODELS_LIST.";

function kindOf(status: number): FailureKind {
  if (status === 401) return "unauthorized";
  return isTransient(status) ? "failed" : "rejected";
}

// Markup is for browsers and says nothing to a tool; quoted keys are nobody's to see.
function text(value: unknown, credential: string): string | undefined {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "" || /<[a-z!/?]/i.test(value)) return undefined;
  const told = value.replaceAll(credential, "[key]").slice(0, MAX_TEXT_LENGTH);
  // A slice keeps the whole text alive as long as it lives itself; this is a copy.
  return told.length < value.length ? new TextDecoder().decode(new TextEncoder().encode(told)) : told;
}

function parsed(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(body));
    return isObject(json) ? json : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What a failed list fetch means for the stored list (the README's table of a list's life).
 * `unauthorized` deletes all that is held for the key, `rejected` deletes that list, `failed` keeps it.
 * After `unasked` there is nothing to remember either: upstream never heard of it.
 */
export type FailureKind = "unauthorized" | "rejected" | "failed" | "unasked";

/** A list fetch that brought no good list. It is shared by all who waited for it, and remembered for a while. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  readonly kind: FailureKind;
  readonly body: ErrorBody;
  /** What upstream asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** For the log; made of our own words and the runtime's error codes. */
  readonly reason: string;

  constructor(kind: FailureKind, problem: ErrorBody, reason: string, retryAfterMs?: number) {
    super(problem.message);
    this.kind = kind;
    this.body = problem;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Tells of list fetches that fail. */
export interface FetchFailureLog {
  failed(failure: UpstreamFailure, caller: string): void;
  well(): void;
}

/** What upstream says to one key (401, 429, …) is over for nobody else: only its own faults end with a good answer. */
export function fetchFailureLog(now: () => number, log: Log): FetchFailureLog {
  const tell = (fields: LogFields) => log.warn(fields, "list not fetched");
  const ofUpstream = throttledLog(now, tell, (fields) => log.info(fields, "lists are fetched again"));
  const ofKeys = throttledLog(now, tell);
  return {
    failed({ body, reason }, caller) {
      const one = body.status >= 500 ? ofUpstream : ofKeys;
      one.failure(reason, { caller, reason });
    },
    well: () => ofUpstream.recovered(),
  };
}

/** Names what became of a fetch; a 4xx has its code from upstream, and is known by its status alone. */
export function fetchOutcome({ kind, body }: Pick<UpstreamFailure, "kind" | "body">): FetchOutcome {
  if (kind !== "failed") return kind;
  if (body.status < 500) return "limited";
  return OUTCOME_BY_CODE.get(body.code) ?? "error";
}

const OUTCOME_BY_CODE: ReadonlyMap<string | null, FetchOutcome> = new Map([
  ["upstream_timeout", "timeout"],
  ["upstream_unreachable", "unreachable"],
  ["upstream_invalid_response", "invalid"],
]);
