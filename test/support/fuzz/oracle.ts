import { clientAt, SECRET } from "./clients.ts";
import { checkGoodAnswer } from "./good-answer.ts";
import { emptyModelState, type ModelState } from "./model-state.ts";
import { queryKey, serialIn, type FetchRecord } from "./record.ts";
import type { ReceivedAnswer, SentRequest } from "./requests.ts";

/** When a request began and its answer had been read, as positions in the trace. */
export interface Interval {
  readonly begun: number;
  readonly ended: number;
}

/** Knows the answers that each client may get. A check gives undefined, or a sentence about the violation. */
export interface Oracle {
  readonly state: ModelState;
  /** Checks the answer to a request for a list or a model. */
  checkAnswer(request: SentRequest, answer: ReceivedAnswer, when: Interval): string | undefined;
  /** Checks the answer to a passthrough call; `client` is undefined for a call without a key. */
  checkPassthrough(client: number | undefined, answer: ReceivedAnswer): string | undefined;
  /** Checks the answer to a request that Keylane must reject itself. */
  checkRejection(answer: ReceivedAnswer, status: number, code: string): string | undefined;
}

export function createOracle(records: readonly FetchRecord[], refusalMaxAgeMs: number, hasPeers: boolean): Oracle {
  const state = emptyModelState();

  function checkAnswer(request: SentRequest, answer: ReceivedAnswer, when: Interval): string | undefined {
    const { client } = request.operation;
    const leak = findLeak(answer, clientAt(client).name);
    if (leak !== undefined) return leak;
    if (answer.status === 200 || answer.status === 304)
      return checkGoodAnswer({ request, answer, when, state, records, refusalMaxAgeMs, hasPeers });
    const violation = checkError(request, answer);
    if (violation === undefined) addRejection(request, answer, when);
    return violation;
  }

  function addRejection(
    { operation, owner }: SentRequest,
    { status, text }: ReceivedAnswer,
    { ended }: Interval,
  ): void {
    const record = records[serialIn(text) ?? -1];
    if (record === undefined || clientAt(operation.client).kind !== "key") return;
    const rejected = { receivedAt: ended, record };
    if (status === 401) state.revocations(operation.client).push(rejected);
    if (status === 403 || status === 404) state.rejections(owner).push(rejected);
  }

  function checkError(request: SentRequest, { status, text, headers }: ReceivedAnswer): string | undefined {
    const { operation, query } = request;
    if (operation.method === "HEAD") {
      return text === "" && status > 400 && status < 505 ? undefined : `HEAD got ${status}`;
    }
    if (headers["content-type"] !== "application/json") return "an error is not JSON";
    const code = codeIn(text);
    const ofClient = records.filter((one) => one.client === operation.client);
    const ofQuery = ofClient.filter((one) => queryKey(one.query) === queryKey(query));
    const isForAllQueries = status === 401 || status === 429;
    if (code === "null" && status < 500) {
      // On a busy machine the body of upstream's error can come too late; then Keylane sends only its status.
      const isCaused = (isForAllQueries ? ofClient : ofQuery).some(({ outcome }) => outcome === status);
      return isCaused ? undefined : `no fetch caused a ${status} without upstream's text`;
    }
    if (code === "rejected") {
      const record = records[serialIn(text) ?? -1];
      if (record?.client !== operation.client) return "the error belongs to another key";
      if (record.outcome !== status) return `the error has status ${status} instead of ${record.outcome}`;
      return isForAllQueries || ofQuery.includes(record) ? undefined : "the error belongs to another query";
    }
    if (status === 404 && code === "model_not_found") {
      if (request.id === undefined) return "a list was answered as a missing model";
      const isOwn = request.id.startsWith(clientAt(operation.client).name) && operation.model !== "own-versioned";
      const isPossible = !isOwn || ofQuery.some(({ outcome }) => outcome === "empty");
      return isPossible ? undefined : "the key's own model was not found";
    }
    if (status === 504 && code === "not_cached") {
      return operation.cacheControl === "only-if-cached" ? undefined : "not_cached without only-if-cached";
    }
    if (status === 504 && code === "upstream_timeout") return undefined;
    if (!LIST_ERRORS.has(`${status} ${code}`)) return `${status} ${code} is no error of a list route`;
    const isCaused = ofQuery.some(({ outcome }) => outcome === "broken" || Number(outcome) >= 500);
    return isCaused ? undefined : `no fetch caused ${status} ${code}`;
  }

  return {
    state,
    checkAnswer,
    checkPassthrough(client, answer) {
      const name = client === undefined ? "anonymous" : clientAt(client).name;
      const { status, text } = answer;
      const isEcho = status === 200 && text === JSON.stringify({ echo: name });
      return isEcho ? findLeak(answer, name) : `a passthrough call of ${name} got ${status} ${text}`;
    },
    checkRejection(answer, status, code) {
      const leak = findLeak(answer, "");
      if (leak !== undefined) return leak;
      const isExpected = answer.status === status && codeIn(answer.text) === code;
      return isExpected ? undefined : `expected ${status} ${code}, got ${answer.status} ${answer.text}`;
    },
  };
}

const LIST_ERRORS = new Set([
  "502 upstream_error",
  "502 upstream_invalid_response",
  "502 upstream_unreachable",
  "503 upstream_unavailable",
]);

// An answer must not contain a credential (not even the client's own), another client's name, or upstream's X-Record.
function findLeak({ headers, text }: ReceivedAnswer, own: string): string | undefined {
  const fields = JSON.stringify(headers);
  if (SECRET.test(fields) || SECRET.test(text)) return "the answer contains a credential";
  if (fields.includes("client-")) return "the answer contains a header of upstream";
  const other = text.match(/client-\d\d/g)?.find((name) => name !== own);
  return other === undefined ? undefined : `the answer contains data of ${other}`;
}

function codeIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error: { message: unknown; type: unknown; code: unknown } };
    const isComplete = typeof error.message === "string" && typeof error.type === "string";
    return isComplete ? String(error.code) : "an error without a message or a type";
  } catch {
    return `no error in OpenAI's shape: ${text}`;
  }
}
