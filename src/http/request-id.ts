import { randomBytes } from "node:crypto";
import { looksLikeKey } from "./credential.ts";
import type { HeaderGetter } from "./headers.ts";

const DIGITS = 32;
const BATCH_SIZE = 128;

/**
 * Makes what draws request ids: 32 random hex digits, as in W3C's trace ids. They are drawn for 128 requests at once:
 * one by one, as UUIDs, they cost a twenty-fifth of a hit.
 */
export function requestIdGenerator(): () => string {
  let drawn = "";
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = randomBytes((DIGITS / 2) * BATCH_SIZE).toString("hex");
      at = 0;
    }
    at += DIGITS;
    return drawn.slice(at - DIGITS, at);
  };
}

/**
 * Gives the caller's request id where it is sane, else a new one. It goes into the log: it must be short and plain, and
 * have nothing of a credential, wherever that stands.
 */
export function resolveRequestId(field: HeaderGetter, newId: () => string): string {
  const given = field("x-request-id");
  if (given === null || !/^[\w.:-]{1,128}$/.test(given) || looksLikeKey(given)) return newId();
  const words = ["authorization", "x-api-key"].flatMap((name) => field(name)?.split(/[\s,]+/) ?? []);
  const isQuote = words.some((word) => word.includes(given) || (word.length >= 8 && given.includes(word)));
  return isQuote ? newId() : given;
}
