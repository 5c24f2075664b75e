import { caller as callerAt, SECRET } from "./callers.ts";
import type { Asked, Seen } from "./client.ts";
import { faultOfGood } from "./good-answer.ts";
import { emptyMemory, type Memory } from "./model-state.ts";
import { serialIn, written, type Testimony } from "./record.ts";

/** When a request began and its answer had been read, in the journal's numbers. */
export interface When {
  readonly begun: number;
  readonly ended: number;
}

/** Knows what may be answered to whom. Every verdict is undefined, or a sentence that says what is wrong. */
export interface Judge {
  readonly memory: Memory;
  /** Judges an answer to a request for a list or a model. */
  answer(asked: Asked, seen: Seen, when: When): string | undefined;
  /** Judges a call that passed through; no caller where it had no key. */
  passed(caller: number | undefined, seen: Seen): string | undefined;
  /** Judges a request that Keylane has to refuse itself. */
  refusedHere(seen: Seen, status: number, code: string): string | undefined;
}

export function judge(
  testimonies: readonly Testimony[],
  refusalMaxAgeMs: number,
  hasNeighbours: boolean,
): Judge {
  const memory = emptyMemory();

  function answer(asked: Asked, seen: Seen, when: When): string | undefined {
    const { caller } = asked.operation;
    const leak = leakIn(seen, callerAt(caller).name);
    if (leak !== undefined) return leak;
    if (seen.status === 200 || seen.status === 304)
      return faultOfGood({ asked, seen, when, memory, testimonies, refusalMaxAgeMs, hasNeighbours });
    const fault = faultOfError(asked, seen);
    if (fault === undefined) remember(asked, seen, when);
    return fault;
  }

  function remember({ operation, question }: Asked, { status, text }: Seen, { ended }: When): void {
    const testimony = testimonies[serialIn(text) ?? -1];
    if (testimony === undefined || callerAt(operation.caller).kind !== "key") return;
    const refusal = { seen: ended, testimony };
    if (status === 401) memory.revocations(operation.caller).push(refusal);
    if (status === 403 || status === 404)
      memory.rejections(`${operation.caller} ${written(question)}`).push(refusal);
  }

  function faultOfError(asked: Asked, { status, text, headers }: Seen): string | undefined {
    const { operation, question } = asked;
    if (operation.method === "HEAD") {
      return text === "" && status > 400 && status < 505 ? undefined : `${status} is no answer to HEAD`;
    }
    if (headers["content-type"] !== "application/json") return "an error is not JSON";
    const code = codeIn(text);
    const theirs = testimonies.filter((one) => one.caller === operation.caller);
    const same = theirs.filter((one) => written(one.question) === written(question));
    const isWhole = status === 401 || status === 429;
    if (code === "null" && status < 500) {
      // On a busy machine upstream's words can come too late: the status alone is told then.
      const isCaused = (isWhole ? theirs : same).some(({ outcome }) => outcome === status);
      return isCaused ? undefined : `upstream gave no cause for a ${status} without its words`;
    }
    if (code === "refused") {
      const witness = testimonies[serialIn(text) ?? -1];
      if (witness?.caller !== operation.caller) return "the refusal was another key's";
      if (witness.outcome !== status) return `the refusal was a ${witness.outcome}, not ${status}`;
      return isWhole || same.includes(witness) ? undefined : "the refusal was of another question";
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

// No credential, the asking key's own neither; no witness of another key's; no field of upstream's.
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
