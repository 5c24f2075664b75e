import type { Handler } from "hono";
import { preflightFields } from "../http/cors.ts";
import { errorBody, serializeError } from "../http/errors.ts";
import { type AppEnv, textResponse, toResponse } from "../http/request-context.ts";
import type { MetricsPage } from "../observability/metrics.ts";
import { VERSION } from "../version.ts";

const ABOUT = JSON.stringify({
  name: "keylane",
  version: VERSION,
  base_url: "/v1",
  docs: "README.md, in the package and the repository",
});
const DRAINING = serializeError(errorBody(503, "draining", "Use another instance: this one stops."));

/** Health, metrics, probes and CORS preflights: nothing here knows of keys. */
export function createOperations(
  isDraining: () => boolean,
  metricsPage: () => Promise<MetricsPage>,
): Record<"about" | "healthz" | "readyz" | "metrics" | "hello" | "preflight", Handler<AppEnv>> {
  return {
    about: ({ env }) => textResponse(200, JSON_TYPE, ABOUT, env.responseHeaders),
    healthz: ({ env }) => textResponse(200, JSON_TYPE, '{"status":"alive"}', env.responseHeaders),
    readyz: ({ env }) =>
      isDraining()
        ? textResponse(503, JSON_TYPE, DRAINING, env.responseHeaders)
        : textResponse(200, JSON_TYPE, '{"status":"ready"}', env.responseHeaders),
    metrics: async ({ env }) => {
      const { contentType, text } = await metricsPage();
      return textResponse(200, contentType, text, env.responseHeaders);
    },
    // Claude Code sends `HEAD …/api/hello` before anything else.
    hello: ({ env }) => toResponse(200, env.responseHeaders),
    preflight: ({ env: { request, responseHeaders } }) =>
      toResponse(204, { ...responseHeaders, ...preflightFields(request.header, responseHeaders) }),
  };
}

const JSON_TYPE = "application/json";
