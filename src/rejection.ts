import { UpstreamFailure, problem, type FailureKind } from "./errors.ts";

// RFC 9110 §15.5 and RFC 6585: these say "not now", not "not you" or "not this".
const TRY_LATER = new Set([408, 425, 429]);
const MAX_TEXT_LENGTH = 1000;

/**
 * Reads an upstream 4xx on a list route in any of NanoGPT's envelopes: `{"error":{message,type,code,param}}`,
 * `{"error":"…"}` or flat `{"code","message"}`. Its status stays; the credential is masked wherever it is quoted.
 */
export function rejection(
  status: number,
  body: Uint8Array,
  credential: string,
  retryAfterMs: number | undefined,
): UpstreamFailure {
  const json = parsed(body);
  const { error = json } = json;
  const inner = isObject(error) ? error : { message: error };
  const said = (name: string): string | undefined => text(inner[name], credential);
  const told = problem(
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
  [429, "NanoGPT asks to wait before the next request."],
]);
const OTHER_MESSAGE = "NanoGPT refused the request for the model list.";

function kindOf(status: number): FailureKind {
  if (status === 401) return "unauthorized";
  return TRY_LATER.has(status) ? "failed" : "rejected";
}

// Markup is for browsers and says nothing to a tool; quoted keys are nobody's to see.
function text(value: unknown, credential: string): string | undefined {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "" || /<[a-z!/?]/i.test(value)) return undefined;
  return value.replaceAll(credential, "[key]").slice(0, MAX_TEXT_LENGTH);
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
