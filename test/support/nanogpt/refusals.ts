import { json, type Answer } from "./answer.ts";

/** A request that NanoGPT answers with an error. */
export class ErrorAnswer extends Error {
  readonly answer: Answer;

  constructor(message: string, answer: Answer) {
    super(message);
    this.name = "Refusal";
    this.answer = answer;
  }
}

/** No credential where one is needed. */
export function missingKey(): ErrorAnswer {
  return enveloped(401, "missing_api_key", "authentication_error", "No API key was provided.");
}

/** A credential that is unknown, revoked, expired or used up. */
export function invalidKey(why: string): ErrorAnswer {
  return enveloped(401, "invalid_api_key", "authentication_error", why);
}

/** A key bound to browser origins, used from elsewhere. */
export function originNotAllowed(): ErrorAnswer {
  const why = "This API key may not be used from this origin.";
  return enveloped(403, "api_key_origin_not_allowed", "permission_error", why);
}

/** A key that has used up its requests of the day; they count again from midnight UTC. */
export function dailyLimitExceeded(now: Date): ErrorAnswer {
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1);
  const retryAfter = String(Math.ceil((midnight - now.getTime()) / 1000));
  const why = "The daily request limit of this API key is used up.";
  return enveloped(429, "daily_rpd_limit_exceeded", "rate_limit_error", why, { "retry-after": retryAfter });
}

/** Too many requests a second: a flat body on list routes, OpenAI's envelope elsewhere. */
export function rateLimited(listRoute: boolean, retryAfter?: number): ErrorAnswer {
  const headers = retryAfter === undefined ? undefined : { "retry-after": String(retryAfter) };
  const message = "Too many requests. Please slow down.";
  if (!listRoute) return enveloped(429, "rate_limited", "rate_limit_error", message, headers);
  return new ErrorAnswer(message, json(429, { code: "rate_limited", message }, headers));
}

/** A call without a key that is to be paid for by itself: the answer quotes a price. */
export function paymentRequired(): ErrorAnswer {
  const accepts = [{ scheme: "exact", network: "standin", asset: "USD", maxAmountRequired: "0.01" }];
  return new ErrorAnswer(
    "Payment required",
    json(402, { x402Version: 1, error: "payment required", paymentId: "standin-quote-1", accepts }),
  );
}

/** A call that cannot be understood. */
export function badRequest(why: string, status = 400): ErrorAnswer {
  return enveloped(status, "invalid_request", "invalid_request_error", why);
}

/** The website's own page, which is what an unknown API path gets. */
export function notFoundPage(): ErrorAnswer {
  const page = "<!DOCTYPE html><html><head><title>404</title></head><body><h1>404</h1></body></html>\n";
  return new ErrorAnswer("Not found", {
    status: 404,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: page,
  });
}

function enveloped(
  status: number,
  code: string,
  type: string,
  message: string,
  headers?: Answer["headers"],
): ErrorAnswer {
  return new ErrorAnswer(message, json(status, { error: { message, type, param: null, code } }, headers));
}
