import { formatSeconds, formatTime } from "./format.js";
import { getProperty } from "./models.js";

/** @import { CacheStatus, Notice, Verdict } from "./types.d.ts" */

/**
 * Parses a Cache-Status header (RFC 9211). Undefined unless Keylane wrote it.
 * @param {string | null} value
 * @returns {CacheStatus | undefined}
 */
export function parseCacheStatus(value) {
  const [name, ...members] = (value ?? "").split(";").map((part) => part.trim());
  if (name !== "keylane") return undefined;
  /** @type {Map<string, string>} */
  const parameters = new Map();
  for (const member of members) {
    const [parameter = "", text = ""] = member.split("=");
    parameters.set(parameter, text);
  }
  return {
    isHit: parameters.has("hit"),
    ttl: parameters.has("ttl") ? Number(parameters.get("ttl")) : undefined,
    forwarded: parameters.get("fwd"),
    isStored: parameters.has("stored"),
    isCollapsed: parameters.has("collapsed"),
    detail: parameters.get("detail"),
  };
}

/**
 * Describes where a list came from.
 * @param {CacheStatus | undefined} status
 * @param {number | undefined} ttlLeft seconds of freshness left now; undefined if unknown
 * @returns {Verdict}
 */
export function describeSource(status, ttlLeft) {
  if (status === undefined)
    return { tone: "bad", label: "Unknown", sentence: "This answer does not say where it came from." };
  if (status.detail === "upstream-failed") {
    const sentence = "NanoGPT was asked and failed to answer. This is the stored list.";
    return { tone: "bad", label: ttlLeft !== undefined && ttlLeft > 0 ? "Stored" : "Stale", sentence };
  }
  if (ttlLeft !== undefined && ttlLeft <= 0) {
    const sentence =
      status.detail === "refreshing"
        ? "Served at once from the cache; Keylane is asking NanoGPT again. Ask again to see what it said."
        : "No longer fresh: the next request makes Keylane ask NanoGPT again.";
    return { tone: "stale", label: "Stale", sentence };
  }
  if (status.isHit) return { tone: "good", label: "Hit", sentence: "From the cache: NanoGPT was not asked." };
  const kept = status.isStored ? "and kept for the next request" : "and not kept";
  const shared = status.isCollapsed ? ", together with another request of this key" : "";
  const label = status.forwarded === "uri-miss" ? "Miss" : "Asked";
  return { tone: "new", label, sentence: `Asked of NanoGPT just now${shared}, ${kept}.` };
}

/** An error that carries the Notice to show for it. */
export class NoticeError extends Error {
  /** @override */
  name = "NoticeError";
  /** @param {Notice} notice */
  constructor(notice) {
    super(notice.title);
    this.notice = notice;
  }
}

const MESSAGE_MAX_LENGTH = 500;

/**
 * Returns the notice for a failed request.
 * @param {number} status 0 when there was no response
 * @param {unknown} body
 * @param {number | undefined} retryAfterSeconds
 * @param {number} now milliseconds since the epoch
 * @returns {Notice}
 */
export function noticeFor(status, body, retryAfterSeconds, now) {
  const error = getProperty(body, "error") ?? body;
  const message = getProperty(error, "message");
  const code = getProperty(error, "code");
  const until = retryAfterSeconds === undefined ? undefined : formatTime(now + retryAfterSeconds * 1000, now);
  const isKeyRejected = status === 401 || status === 403;
  const retry =
    until === undefined || isKeyRejected
      ? ""
      : ` Asking again makes sense after ${until} (in ${formatSeconds(retryAfterSeconds ?? 0)}).`;
  const text = `${typeof message === "string" ? message.slice(0, MESSAGE_MAX_LENGTH) : ""}${retry}`.trim();
  return { title: titleFor(status, code, until), text, isKeyRejected };
}

/**
 * @param {number} status
 * @param {unknown} code
 * @param {string | undefined} until
 * @returns {string}
 */
function titleFor(status, code, until) {
  if (status === 0) return "This Keylane does not answer";
  if (status === 401) return "This key is not accepted";
  if (status === 403) return "This key may not be used here";
  if (status === 429) return until === undefined ? "Rate-limited by NanoGPT" : `Rate-limited until ${until}`;
  if (code === "upstream_unreachable") return "NanoGPT cannot be reached";
  if (status === 504) return "NanoGPT did not answer in time";
  if (status === 503) return "NanoGPT is unavailable";
  if (status >= 500) return "NanoGPT failed to answer";
  return `The request was refused (${status})`;
}
