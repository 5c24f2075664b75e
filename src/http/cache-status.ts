/** How a list answer came about, in the words of RFC 9211. */
export type CacheOutcome =
  | { readonly by: "hit"; readonly ttlMs: number; readonly detail?: "refreshing" | "upstream-failed" }
  | {
      readonly by: "forward";
      readonly why: "uri-miss" | "stale" | "request" | "bypass";
      readonly isStored: boolean;
      readonly isCollapsed: boolean;
    };

/** Writes the Cache-Status field (RFC 9211 §2). `ttl` is in whole seconds, negative when stale. */
export function cacheStatus(outcome: CacheOutcome): string {
  if (outcome.by === "hit") {
    const detail = outcome.detail === undefined ? "" : `; detail=${outcome.detail}`;
    return `keylane; hit; ttl=${Math.floor(outcome.ttlMs / 1000)}${detail}`;
  }
  const stored = outcome.isStored ? "; stored" : "";
  return `keylane; fwd=${outcome.why}${stored}${outcome.isCollapsed ? "; collapsed" : ""}`;
}

/** The outcome in one word. */
export type CacheLabel = "hit" | "stale" | "collapsed" | "miss" | "request" | "bypass";

/** Names the outcome in one word, for the log and the figures. */
export function cacheLabel(outcome: CacheOutcome): CacheLabel {
  if (outcome.by === "hit") return outcome.ttlMs >= 0 ? "hit" : "stale";
  if (outcome.isCollapsed) return "collapsed";
  return outcome.why === "uri-miss" ? "miss" : outcome.why;
}
