import { caller as callerAt, SECRET } from "./callers.ts";
import type { SentRequest, Seen } from "./client.ts";
import { violationOfGood } from "./good-answer.ts";
import { emptyModelState, type ModelState } from "./model-state.ts";
import { serialIn, serializeRecord, type UpstreamRecord } from "./record.ts";

/** When a request began and its answer had been read, in the trace's numbers. */
export interface Interval {
  readonly begun: number;
  readonly ended: number;
}

/** Knows what may be answered to whom. Every verdict is undefined, or a sentence that says what is wrong. */
export interface Oracle {
  readonly memory: ModelState;
  /** Judges an answer to a request for a list or a model. */
  answer(asked: SentRequest, seen: Seen, when: Interval): string | undefined;
  /** Judges a call that passed through; no client where it had no key. */
  passed(caller: number | undefined, seen: Seen): string | undefined;
  /** Judges a request that Keylane has to refuse itself. */
  refusedHere(seen: Seen, status: number, code: string): string | undefined;
}

export function createOracle(records: readonly UpstreamRecord[], refusalMaxAgeMs: number, hasPeers: boolean): Oracle {
  const memory = emptyModelState();

  function answer(asked: SentRequest, seen: Seen, when: Interval): string | undefined {
    const { caller } = asked.operation;
    const leak = leakIn(seen, callerAt(caller).name);
    if (leak !== undefined) return leak;
    if (seen.status === 200 || seen.status === 304)
      return violationOfGood({ asked, seen, when, memory, records, refusalMaxAgeMs, hasPeers });
    const fault = faultOfError(asked, seen);
    if (fault === undefined) remember(asked, seen, when);
    return fault;
  }

  function remember({ operation, question }: SentRequest, { status, text }: Seen, { ended }: Interval): void {
    const record = records[serialIn(text) ?? -1];
    if (record === undefined || callerAt(operation.caller).kind !== "key") return;
    const refusal = { seen: ended, record };
    if (status === 401) memory.revocations(operation.caller).push(refusal);
    if (status === 403 || status === 404)
      memory.rejections(`${operation.caller} ${serializeRecord(question)}`).push(refusal);
  }

  function faultOfError(asked: SentRequest, { status, text, headers }: Seen): string | undefined {
    const { operation, question } = asked;
    if (operation.method === "HEAD") {
      return text === "" && status > 400 && status < 505 ? undefined : `${status} is no answer to HEAD`;
    }
    if (headers["content-type"] !== "application/json") return "an error is not JSON";
    const code = codeIn(text);
    const theirs = records.filter((one) => one.caller === operation.caller);
    const same = theirs.filter((one) => serializeRecord(one.question) === serializeRecord(question));
    const isWhole = status === 401 || status === 429;
    if (code === "null" && status < 500) {
      // On a busy machine the body of upstream's error can come too late: only its status is served then.
      const isCaused = (isWhole ? theirs : same).some(({ outcome }) => outcome === status);
      return isCaused ? undefined : `upstream gave no cause for a ${status} without its text`;
    }
    if (code === "refused") {
      const recorder = records[serialIn(text) ?? -1];
      if (recorder?.caller !== operation.caller) return "the refusal was another key's";
      if (recorder.outcome !== status) return `the refusal was a ${recorder.outcome}, not ${status}`;
      return isWhole || same.includes(recorder) ? undefined : "the refusal was of another question";
    }
    if (status === 404 && code === "model_not_found") {
      if (asked.id === undefined) return "a list is no model";
      const isOwn = asked.id.startsWith(callerAt(operation.caller).name) && operation.model !== "own-passing";
      const isPossible = !isOwn || same.some(({ outcome }) => outcome === "empty");
      return isPossible ? undefined : "the key's own model was not found";
    }
    if (status === 504 && code === "not_cached") {
      return operation.cacheControl === "only-if-cached" ? undefined : "nobody asked for a cached list only";
    }
    if (status === 504 && code === "upstream_timeout") return undefined;
    const isKnown = CODES.has(`${status} ${code}`);
    if (!isKnown) return `${status} ${code} is no error of a list route`;
    const isCaused = same.some(({ outcome }) => outcome === "broken" || Number(outcome) >= 500);
    return isCaused ? undefined : `upstream gave no cause for ${status} ${code}`;
  }

  return {
    memory,
    answer,
    passed(caller, seen) {
      const name = caller === undefined ? "nobody" : callerAt(caller).name;
      const isEcho = seen.status === 200 && seen.text === JSON.stringify({ echo: name });
      return isEcho ? leakIn(seen, name) : `a call of ${name} passed through as ${seen.status} ${seen.text}`;
    },
    refusedHere(seen, status, code) {
      const leak = leakIn(seen, "");
      if (leak !== undefined) return leak;
      const isRight = seen.status === status && codeIn(seen.text) === code;
      return isRight ? undefined : `${status} ${code} was due, not ${seen.status} ${seen.text}`;
    },
  };
}

const CODES = new Set([
  "502 upstream_error",
  "502 upstream_invalid_response",
  "502 upstream_unreachable",
  "503 upstream_unavailable",
]);

// No credential, the asking key's own neither; no record of another key's; no header of upstream's.
function leakIn({ headers, text }: Seen, own: string): string | undefined {
  const fields = JSON.stringify(headers);
  if (SECRET.test(fields) || SECRET.test(text)) return "a credential is in the answer";
  if (fields.includes("caller-")) return "a field of upstream's is in the answer";
  const stranger = text.match(/caller-\d\d/g)?.find((name) => name !== own);
  return stranger === undefined ? undefined : `something of ${stranger} is in the answer`;
}

function codeIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error: { message: unknown; type: unknown; code: unknown } };
    const isWhole = typeof error.message === "string" && typeof error.type === "string";
    return isWhole ? String(error.code) : "an error without a message or a type";
  } catch {
    return `no error in OpenAI's shape: ${text}`;
  }
}
