/** What is told to a caller when something is wrong: the inside of OpenAI's error envelope, and its status. */
export interface ErrorBody {
  readonly status: number;
  /** One sentence that says what to do. Never holds a credential. */
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
}

/** Keylane's own refusal of a request. */
export class ApiError extends Error {
  override readonly name = "KeylaneError";
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: ErrorBody, headers: Readonly<Record<string, string>> = {}) {
    super(problem.message);
    this.body = problem;
    this.headers = headers;
  }
}

/** Says whether a status means "not now", not "not you" or "not this" (RFC 9110 §15.5 and §15.6, RFC 6585, RFC 8470). */
export function isTransient(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Makes a problem; type and param are OpenAI's defaults for the status unless given. */
export function errorBody(
  status: number,
  code: string | null,
  message: string,
  { type = typeOf(status), param = null }: { type?: string | undefined; param?: string | null } = {},
): ErrorBody {
  return { status, code, message, type, param };
}

/** Writes the envelope `{"error":{message,type,param,code}}`. */
export function serializeError({ message, type, param, code }: ErrorBody): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

export const badRequest = (message: string): ApiError => new ApiError(errorBody(400, "bad_request", message));

export const unauthorized = (code: "missing_api_key" | "invalid_api_key", message: string): ApiError =>
  new ApiError(errorBody(401, code, message), { "WWW-Authenticate": "Bearer" });

export const methodNotAllowed = (allowed: string): ApiError =>
  new ApiError(errorBody(405, "method_not_allowed", `Use one of the methods this path has: ${allowed}.`), {
    Allow: allowed,
  });

export const notFound = (): ApiError =>
  new ApiError(
    errorBody(404, "not_found", "No such path here: set the tool's base URL to this host followed by /v1."),
  );

export const bodyTooLarge = (maxBytes: number): ApiError =>
  new ApiError(
    errorBody(413, "body_too_large", `Send a smaller body: at most ${maxBytes} bytes (MAX_BODY_SIZE).`),
  );

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Gives the runtime's code for a fault and nothing else of it: messages may quote what was sent. */
export function errorCode(fault: unknown): string {
  for (let error = fault; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string") return error.code;
  }
  return fault instanceof Error ? fault.name : "unknown";
}
