import { json, type Answer } from "./answer.ts";

/** Thrown by a route to answer with an error. */
export class ErrorAnswer extends Error {
  readonly answer: Answer;

  constructor(message: string, answer: Answer) {
    super(message);
    this.name = "ErrorAnswer";
    this.answer = answer;
  }
}

/** 401 for a missing credential. */
export function missingKey(): ErrorAnswer {
  return errorAnswer(401, "missing_api_key", "authentication_error", "No API key was provided.");
}

/** 401 for a credential that is unknown, revoked, expired or used up. */
export function invalidKey(message: string): ErrorAnswer {
  return errorAnswer(401, "invalid_api_key", "authentication_error", message);
}

/** 403 for a key bound to browser origins, used from another. */
export function originNotAllowed(): ErrorAnswer {
  const message = "This API key may not be used from this origin.";
  return errorAnswer(403, "api_key_origin_not_allowed", "permission_error", message);
}

/** 429 for a key that has used up its requests of the day, until midnight UTC. */
export function dailyLimitExceeded(now: Date): ErrorAnswer {
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1);
  const retryAfter = String(Math.ceil((midnight - now.getTime()) / 1000));
  const message = "The daily request limit of this API key is used up.";
  return errorAnswer(429, "daily_rpd_limit_exceeded", "rate_limit_error", message, { "retry-after": retryAfter });
}

/** 429 for too many requests a second: a flat body on list routes, OpenAI's envelope elsewhere. */
export function rateLimited(listRoute: boolean, retryAfter?: number): ErrorAnswer {
  const headers = retryAfter === undefined ? undefined : { "retry-after": String(retryAfter) };
  const message = "Too many requests. Please slow down.";
  if (!listRoute) return errorAnswer(429, "rate_limited", "rate_limit_error", message, headers);
  return new ErrorAnswer(message, json(429, { code: "rate_limited", message }, headers));
}

/** 402 with a price, for a call without a key that offers to pay. */
export function paymentRequired(): ErrorAnswer {
  const accepts = [{ scheme: "exact", network: "standin", asset: "USD", maxAmountRequired: "0.01" }];
  return new ErrorAnswer(
    "Payment required",
    json(402, { x402Version: 1, error: "payment required", paymentId: "standin-quote-1", accepts }),
  );
}

/** 400, or another status, for an invalid call. */
export function badRequest(message: string, status = 400): ErrorAnswer {
  return errorAnswer(status, "invalid_request", "invalid_request_error", message);
}

/** The website's 404 page, which NanoGPT serves for an unknown API path. */
export function notFoundPage(): ErrorAnswer {
  const page = "<!DOCTYPE html><html><head><title>404</title></head><body><h1>404</h1></body></html>\n";
  return new ErrorAnswer("Not found", {
    status: 404,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: page,
  });
}

function errorAnswer(
  status: number,
  code: string,
  type: string,
  message: string,
  headers?: Answer["headers"],
): ErrorAnswer {
  return new ErrorAnswer(message, json(status, { error: { message, type, param: null, code } }, headers));
}
