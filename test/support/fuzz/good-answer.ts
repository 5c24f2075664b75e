import { caller as callerAt } from "./callers.ts";
import type { SentRequest, Seen } from "./client.ts";
import type { Interval } from "./oracle.ts";
import type { ModelState } from "./model-state.ts";
import { MAX_AGE_MS, STALE_IF_ERROR_MS } from "./operations.ts";
import { serialIn, viewText, serializeRecord, type UpstreamRecord } from "./record.ts";

/** A 200 or a 304, and all that is known when it is judged. */
export interface Case {
  readonly asked: SentRequest;
  readonly seen: Seen;
  readonly when: Interval;
  readonly memory: ModelState;
  readonly records: readonly UpstreamRecord[];
  readonly refusalMaxAgeMs: number;
  /** Keylanes that share a far store: they tell one another of purges and 401s, and of no other refusal. */
  readonly hasPeers: boolean;
}

/** Says what is wrong with a good answer to a request for a list or a model. */
export function violationOfGood(one: Case): string | undefined {
  const { asked, seen, memory } = one;
  const { etag, "cache-status": status } = seen.headers;
  if (typeof etag !== "string" || typeof status !== "string") return "ETag or Cache-Status is missing";
  const form = faultOfFields(one, etag);
  if (form !== undefined) return form;
  const known = memory.etags.get(etag);
  if (known !== undefined && known.owner !== asked.owner) return `ETag ${etag} was given for ${known.owner}`;
  const text = seen.text === "" ? known?.text : seen.text;
  memory.etags.set(etag, { owner: asked.owner, text });
  memory.lastEtag.set(asked.view, etag);
  // An answer to HEAD before anybody has seen the list: who comes later will see what it stood for.
  if (text === undefined) return undefined;
  const record = one.records[serialIn(text) ?? -1];
  if (record === undefined) return `upstream has never answered this: ${text}`;
  const fault =
    faultOfText(record, one, text) ??
    faultOfTime(record, one) ??
    faultOfOutcome(record, one, status) ??
    faultOfAge(record, one, status);
  if (!memory.firstSeen.has(record.serial)) memory.firstSeen.set(record.serial, one.when.ended);
  return fault === undefined ? undefined : `${fault} (upstream's answer ${record.serial})`;
}

function faultOfFields({ asked, seen }: Case, etag: string): string | undefined {
  const { headers, status, text } = seen;
  if (headers["cache-control"] !== "private, no-cache") return "Cache-Control is not private, no-cache";
  if (headers["vary"] !== "Authorization, X-API-Key, Origin, Accept-Encoding") return "Vary is not whole";
  if (headers["content-type"] !== "application/json") return "Content-Type is not JSON";
  if (status === 200) return (text === "") === (asked.operation.method === "HEAD") ? undefined : "no body";
  if (text !== "") return "304 has a body";
  return asked.headers["if-none-match"] === etag ? undefined : "304 to a caller who has another list or none";
}

// Whose list it is, of which question, and every byte of it.
function faultOfText(record: UpstreamRecord, { asked }: Case, text: string): string | undefined {
  const { operation, question, shape, id } = asked;
  if (record.caller !== operation.caller) return `the list is that of ${callerAt(record.caller).name}`;
  if (serializeRecord(record.question) !== serializeRecord(question))
    return `the list is of ${serializeRecord(record.question)}, not of ${serializeRecord(question)}`;
  if (record.outcome !== "good" && record.outcome !== "empty")
    return `the list is from a broken answer: ${record.outcome}`;
  return viewText(record, shape, id) === text ? undefined : `the view is not the one asked for: ${text}`;
}

// What a purge, a 401 or another 4xx has ended must not come back.
function faultOfTime(record: UpstreamRecord, { asked, when, memory, seen, hasPeers }: Case): string | undefined {
  const { caller } = asked.operation;
  if (callerAt(caller).kind === "token") return undefined;
  const { arrived, serial } = record;
  const isSince = (answered: number | undefined) => arrived > (answered ?? Number.POSITIVE_INFINITY);
  if (memory.purges(caller).some(({ begun, ended }) => ended < when.begun && arrived < begun))
    return "the list was purged before it was asked for";
  for (const { seen, record: refused } of memory.revocations(caller)) {
    if (isSince(refused.answered)) continue;
    if (seen < when.begun) return "the list is from before a 401 that the key got";
    // Asked for before the 401, but answered by upstream only when Keylane had answered a client with it.
    if (!hasPeers && seen < (record.answered ?? 0)) return "the list came after a 401 to the key, and was delivered";
  }
  if (hasPeers || !String(seen.headers["cache-status"]).includes("; hit")) return undefined;
  const known = memory.firstSeen.get(serial) ?? Number.POSITIVE_INFINITY;
  const rejected = memory.rejections(`${caller} ${serializeRecord(asked.question)}`).some(
    ({ seen, record: { arrived } }) =>
      seen < when.begun &&
      known < arrived &&
      // A flight that the clock has overtaken has no say any more.
      !memory.advances.some(({ begun, ended }) => begun < seen && ended > arrived),
  );
  return rejected ? "the list was stored before a 4xx that the key got" : undefined;
}

// How Keylane says it came by the list, against what was asked and what became of the same list elsewhere.
function faultOfOutcome({ serial }: UpstreamRecord, { asked, when, memory }: Case, status: string): string | undefined {
  const { operation } = asked;
  const isHit = status.includes("; hit");
  const isFallback = status.includes("; detail=");
  const isStored = isHit || status.includes("; stored");
  const before = memory.isStored.get(serial);
  memory.isStored.set(serial, isStored);
  if (callerAt(operation.caller).kind === "token") {
    if (before !== undefined) return "a token's list was given twice";
    return status === "keylane; fwd=bypass" ? undefined : `a token's list came as ${status}`;
  }
  if (before !== undefined && before !== isStored) return "a list that was not to be stored was kept";
  if (operation.cacheControl === "no-store" && isStored && !isFallback) return "no-store was stored";
  if (operation.cacheControl === "only-if-cached" && !(isHit && !isFallback))
    return `only-if-cached was answered with ${status}`;
  // Who has waited for a flight cannot have come after somebody read what it brought.
  const known = memory.firstSeen.get(serial) ?? Number.POSITIVE_INFINITY;
  return !isHit && known < when.begun ? `a list that was known already came as ${status}` : undefined;
}

// Ages are counted in the clock's movements alone: real time only adds to them.
function faultOfAge(record: UpstreamRecord, one: Case, status: string): string | undefined {
  const { asked, seen, when, memory, refusalMaxAgeMs } = one;
  const { cacheControl } = asked.operation;
  const known = memory.firstSeen.get(record.serial) ?? Number.POSITIVE_INFINITY;
  const least = moved(one, ({ begun, ended }) => begun > known && ended < when.begun);
  const most =
    moved(one, ({ begun, ended }) => ended > record.arrived && begun < when.ended) + (Date.now() - record.arrivedAtMs);
  const ageMs = Number(seen.headers["age"]) * 1000;
  if (!(ageMs >= 0) || ageMs > most + 1000 || ageMs + 1000 <= least)
    return `Age ${String(seen.headers["age"])} is not between ${least} and ${most} ms`;
  if (!status.includes("; hit")) return undefined;
  let limit = MAX_AGE_MS;
  if (status.includes("; detail=") || cacheControl === "only-if-cached") limit += STALE_IF_ERROR_MS;
  else if (cacheControl === "no-cache" || cacheControl === "max-age=0") limit = 1000;
  else if (cacheControl === "max-age=5") limit = 5001;
  if (record.outcome === "empty") limit = Math.min(limit, MAX_AGE_MS, refusalMaxAgeMs);
  return least < limit ? undefined : `the list is ${least} ms old and came as ${status}`;
}

function moved({ memory }: Case, isCounted: (span: ModelState["advances"][number]) => boolean): number {
  return memory.advances.reduce((sum, span) => sum + (isCounted(span) ? span.ms : 0), 0);
}
