import { clock, span } from "./format.js";
import { field } from "./models.js";

/** @import { CacheStatus, Trouble, Verdict } from "./types.d.ts" */

/**
 * @param {string | null} value
 * @returns {CacheStatus | undefined}
 */
export function cacheStatus(value) {
  const [name, ...members] = (value ?? "").split(";").map((part) => part.trim());
  if (name !== "keylane") return undefined;
  /** @type {Map<string, string>} */
  const pairs = new Map();
  for (const member of members) {
    const [word = "", text = ""] = member.split("=");
    pairs.set(word, text);
  }
  return {
    isHit: pairs.has("hit"),
    ttl: pairs.has("ttl") ? Number(pairs.get("ttl")) : undefined,
    forwarded: pairs.get("fwd"),
    isStored: pairs.has("stored"),
    isCollapsed: pairs.has("collapsed"),
    detail: pairs.get("detail"),
  };
}

/**
 * Judges where a list came from. `left` is the freshness left in seconds, at the time of judging; undefined if unknown.
 * @param {CacheStatus | undefined} status
 * @param {number | undefined} left
 * @returns {Verdict}
 */
export function verdict(status, left) {
  if (status === undefined)
    return { tone: "bad", word: "Unknown", sentence: "This answer does not say where it came from." };
  if (status.detail === "upstream-failed") {
    const sentence = "NanoGPT was asked and did not answer well. This is the list that is held.";
    return { tone: "bad", word: left !== undefined && left > 0 ? "Held" : "Stale", sentence };
  }
  if (left !== undefined && left <= 0) {
    const sentence =
      status.detail === "refreshing"
        ? "Served at once from the cache; Keylane is asking NanoGPT anew. Ask again to see what it said."
        : "No longer fresh: the next request makes Keylane ask NanoGPT anew.";
    return { tone: "stale", word: "Stale", sentence };
  }
  if (status.isHit) return { tone: "good", word: "Hit", sentence: "From the cache: NanoGPT was not asked." };
  const kept = status.isStored ? "and kept for the next request" : "and not kept";
  const shared = status.isCollapsed ? ", together with another request of this key" : "";
  const word = status.forwarded === "uri-miss" ? "Miss" : "Asked";
  return { tone: "new", word, sentence: `Asked of NanoGPT just now${shared}, ${kept}.` };
}

/** A Trouble on its way to where it is told. */
export class Troubled extends Error {
  /** @override */
  name = "Troubled";
  /** @param {Trouble} trouble */
  constructor(trouble) {
    super(trouble.title);
    this.trouble = trouble;
  }
}

/**
 * @param {number} status 0 where no answer came at all
 * @param {unknown} body
 * @param {number | undefined} retryAfter seconds
 * @param {number} now milliseconds since the epoch
 * @returns {Trouble}
 */
export function trouble(status, body, retryAfter, now) {
  const error = field(body, "error") ?? body;
  const said = field(error, "message");
  const code = field(error, "code");
  const until = retryAfter === undefined ? undefined : clock(now + retryAfter * 1000, now);
  const again =
    until === undefined ? "" : ` Asking again makes sense after ${until} (in ${span(retryAfter ?? 0)}).`;
  const isOfKey = status === 401 || status === 403;
  const text =
    `${typeof said === "string" ? said.slice(0, SAID_MAX_LENGTH) : ""}${isOfKey ? "" : again}`.trim();
  return { title: titleOf(status, code, until), text, isOfKey };
}

const SAID_MAX_LENGTH = 500;

/**
 * @param {number} status
 * @param {unknown} code
 * @param {string | undefined} until
 * @returns {string}
 */
function titleOf(status, code, until) {
  if (status === 0) return "This Keylane does not answer";
  if (status === 401) return "This key is not accepted";
  if (status === 403) return "This key may not be used here";
  if (status === 429) return until === undefined ? "Rate-limited by NanoGPT" : `Rate-limited until ${until}`;
  if (code === "upstream_unreachable") return "NanoGPT cannot be reached";
  if (status === 504) return "NanoGPT did not answer in time";
  if (status === 503) return "NanoGPT is unavailable";
  if (status >= 500) return "NanoGPT did not answer well";
  return `The request was refused (${status})`;
}
