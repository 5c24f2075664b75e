/** What is told to a caller when something is wrong: the inside of OpenAI's error envelope, and its status. */
export interface Problem {
  readonly status: number;
  /** One sentence that says what to do. Never holds a credential. */
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
}

/** Keylane's own refusal of a request. */
export class KeylaneError extends Error {
  override readonly name = "KeylaneError";
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(problem.message);
    this.problem = problem;
    this.headers = headers;
  }
}

/** Says whether a status means "not now", not "not you" or "not this" (RFC 9110 §15.5 and §15.6, RFC 6585, RFC 8470). */
export function isTransient(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Makes a problem; type and param are OpenAI's defaults for the status unless given. */
export function problem(
  status: number,
  code: string | null,
  message: string,
  { type = typeOf(status), param = null }: { type?: string | undefined; param?: string | null } = {},
): Problem {
  return { status, code, message, type, param };
}

/** Writes the envelope `{"error":{message,type,param,code}}`. */
export function envelope({ message, type, param, code }: Problem): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

export const badRequest = (message: string): KeylaneError =>
  new KeylaneError(problem(400, "bad_request", message));

export const unauthorized = (code: "missing_api_key" | "invalid_api_key", message: string): KeylaneError =>
  new KeylaneError(problem(401, code, message), { "WWW-Authenticate": "Bearer" });

export const methodNotAllowed = (allowed: string): KeylaneError =>
  new KeylaneError(problem(405, "method_not_allowed", `Use one of the methods this path has: ${allowed}.`), {
    Allow: allowed,
  });

export const notFound = (): KeylaneError =>
  new KeylaneError(
    problem(404, "not_found", "No such path here: set the tool's base URL to this host followed by /v1."),
  );

export const bodyTooLarge = (maxBytes: number): KeylaneError =>
  new KeylaneError(
    problem(413, "body_too_large", `Send a smaller body: at most ${maxBytes} bytes (MAX_BODY_SIZE).`),
  );

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Gives the runtime's code for a fault and nothing else of it: messages may quote what was sent. */
export function codeOf(fault: unknown): string {
  for (let error = fault; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string") return error.code;
  }
  return fault instanceof Error ? fault.name : "unknown";
}
