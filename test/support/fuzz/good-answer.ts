import { clientAt } from "./clients.ts";
import type { ModelState } from "./model-state.ts";
import { MAX_AGE_MS, STALE_IF_ERROR_MS } from "./operations.ts";
import type { Interval } from "./oracle.ts";
import { queryKey, serialIn, viewText, type FetchRecord } from "./record.ts";
import type { ReceivedAnswer, SentRequest } from "./requests.ts";

/** A 200 or a 304, and everything needed to check it. */
export interface Case {
  readonly request: SentRequest;
  readonly answer: ReceivedAnswer;
  readonly when: Interval;
  readonly state: ModelState;
  readonly records: readonly FetchRecord[];
  readonly refusalMaxAgeMs: number;
  /** Whether several Keylanes share a remote store: they announce purges and 401s to each other, but not other errors. */
  readonly hasPeers: boolean;
}

/** Checks a 200 or a 304 to a request for a list or a model. Gives undefined, or a sentence about the violation. */
export function checkGoodAnswer(one: Case): string | undefined {
  const { request, answer, state } = one;
  const { etag, "cache-status": cacheStatus } = answer.headers;
  if (typeof etag !== "string" || typeof cacheStatus !== "string") return "ETag or Cache-Status is missing";
  const malformed = checkForm(one, etag);
  if (malformed !== undefined) return malformed;
  const known = state.etags.get(etag);
  if (known !== undefined && known.owner !== request.owner) return `ETag ${etag} belongs to ${known.owner}`;
  const text = answer.text === "" ? known?.text : answer.text;
  state.etags.set(etag, { owner: request.owner, text });
  state.lastEtag.set(request.view, etag);
  // A HEAD before the first GET: later answers show the text of this ETag.
  if (text === undefined) return undefined;
  const record = one.records[serialIn(text) ?? -1];
  if (record === undefined) return `upstream never sent this: ${text}`;
  const violation =
    checkText(record, one, text) ??
    checkInvalidation(record, one) ??
    checkCacheStatus(record, one, cacheStatus) ??
    checkAge(record, one, cacheStatus);
  if (!state.firstReceivedAt.has(record.serial)) state.firstReceivedAt.set(record.serial, one.when.ended);
  return violation === undefined ? undefined : `${violation} (fetch ${record.serial})`;
}

function checkForm({ request, answer }: Case, etag: string): string | undefined {
  const { headers, status, text } = answer;
  if (headers["cache-control"] !== "private, no-cache") return "Cache-Control is not private, no-cache";
  if (headers["vary"] !== "Authorization, X-API-Key, Origin, Accept-Encoding") return "Vary is incomplete";
  if (headers["content-type"] !== "application/json") return "Content-Type is not JSON";
  if (status === 200) return (text === "") === (request.operation.method === "HEAD") ? undefined : "no body";
  if (text !== "") return "304 has a body";
  return request.headers["if-none-match"] === etag ? undefined : "304 to a client without this list";
}

// The client, the query and every byte.
function checkText(record: FetchRecord, { request }: Case, text: string): string | undefined {
  const { operation, query, shape, id } = request;
  if (record.client !== operation.client) return `the list belongs to ${clientAt(record.client).name}`;
  if (queryKey(record.query) !== queryKey(query))
    return `the list is of ${queryKey(record.query)}, not of ${queryKey(query)}`;
  if (record.outcome !== "good" && record.outcome !== "empty")
    return `the list is from a broken answer: ${record.outcome}`;
  return viewText(record, shape, id) === text ? undefined : `the view is not the requested one: ${text}`;
}

// A list that a purge, a 401 or another 4xx has removed must not come back.
function checkInvalidation(
  { arrived, answered, serial }: FetchRecord,
  { request, answer, when, state, hasPeers }: Case,
): string | undefined {
  const { client } = request.operation;
  if (clientAt(client).kind === "token") return undefined;
  if (state.purges(client).some(({ begun, ended }) => ended < when.begun && arrived < begun))
    return "the list was purged before the request";
  for (const { receivedAt, record: rejected } of state.revocations(client)) {
    if (arrived > (rejected.answered ?? Number.POSITIVE_INFINITY)) continue;
    if (receivedAt < when.begun) return "the list is from before a 401 that the key got";
    // Fetched before the 401, but upstream answered only after a client had received the 401.
    if (!hasPeers && receivedAt < (answered ?? 0)) return "the list came after a 401 to the key, and was delivered";
  }
  if (hasPeers || !String(answer.headers["cache-status"]).includes("; hit")) return undefined;
  const known = state.firstReceivedAt.get(serial) ?? Number.POSITIVE_INFINITY;
  const isRejected = state.rejections(request.owner).some(
    ({ receivedAt, record: { arrived } }) =>
      receivedAt < when.begun &&
      known < arrived &&
      // An advance of the clock makes fetches overdue, and the error of a superseded fetch removes nothing.
      !state.advances.some(({ begun, ended }) => begun < receivedAt && ended > arrived),
  );
  return isRejected ? "the list was stored before a 4xx that the key got" : undefined;
}

// Cache-Status must agree with the request and with other answers that contain the same list.
function checkCacheStatus(
  { serial }: FetchRecord,
  { request, when, state }: Case,
  cacheStatus: string,
): string | undefined {
  const { operation } = request;
  const isHit = cacheStatus.includes("; hit");
  const isFallback = cacheStatus.includes("; detail=");
  const isStored = isHit || cacheStatus.includes("; stored");
  const wasStored = state.isStored.get(serial);
  state.isStored.set(serial, isStored);
  if (clientAt(operation.client).kind === "token") {
    if (wasStored !== undefined) return "a token's list was delivered twice";
    return cacheStatus === "keylane; fwd=bypass" ? undefined : `a token's list has ${cacheStatus}`;
  }
  if (wasStored !== undefined && wasStored !== isStored) return "a list that must not be stored was stored";
  if (operation.cacheControl === "no-store" && isStored && !isFallback) return "no-store was stored";
  if (operation.cacheControl === "only-if-cached" && !(isHit && !isFallback))
    return `only-if-cached was answered with ${cacheStatus}`;
  // A request that begins after the result of a fetch was received cannot have waited for that fetch.
  const known = state.firstReceivedAt.get(serial) ?? Number.POSITIVE_INFINITY;
  return !isHit && known < when.begun ? `a known list has ${cacheStatus}` : undefined;
}

// Lower bounds of an age count only the clock's advances; upper bounds add the real time.
function checkAge(record: FetchRecord, one: Case, cacheStatus: string): string | undefined {
  const { request, answer, when, state, refusalMaxAgeMs } = one;
  const { cacheControl } = request.operation;
  const known = state.firstReceivedAt.get(record.serial) ?? Number.POSITIVE_INFINITY;
  const minimum = advancedMs(one, ({ begun, ended }) => begun > known && ended < when.begun);
  const maximum =
    advancedMs(one, ({ begun, ended }) => ended > record.arrived && begun < when.ended) +
    (Date.now() - record.arrivedAtMs);
  const ageMs = Number(answer.headers["age"]) * 1000;
  if (!(ageMs >= 0) || ageMs > maximum + 1000 || ageMs + 1000 <= minimum)
    return `Age ${String(answer.headers["age"])} is not between ${minimum} and ${maximum} ms`;
  if (!cacheStatus.includes("; hit")) return undefined;
  let limit = MAX_AGE_MS;
  if (cacheStatus.includes("; detail=") || cacheControl === "only-if-cached") limit += STALE_IF_ERROR_MS;
  else if (cacheControl === "no-cache" || cacheControl === "max-age=0") limit = 1000;
  else if (cacheControl === "max-age=5") limit = 5001;
  if (record.outcome === "empty") limit = Math.min(limit, MAX_AGE_MS, refusalMaxAgeMs);
  return minimum < limit ? undefined : `the list is ${minimum} ms old and has ${cacheStatus}`;
}

function advancedMs({ state }: Case, isCounted: (span: ModelState["advances"][number]) => boolean): number {
  return state.advances.reduce((sum, span) => sum + (isCounted(span) ? span.ms : 0), 0);
}
