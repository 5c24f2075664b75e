import type { Handler } from "hono";
import { serializeError, errorBody } from "../http/errors.ts";
import { VERSION } from "../version.ts";
import type { MetricsPage } from "../observability/metrics.ts";
import type { AppEnv } from "../http/request-context.ts";

const DOCS = "README.md, in the package and the repository";

/** What a person or a supervisor asks of the program itself. Nothing here knows of keys or carries CORS fields. */
export function createOperations(
  isDraining: () => boolean,
  figures: () => Promise<MetricsPage>,
): Record<"about" | "healthz" | "readyz" | "metrics" | "hello", Handler<AppEnv>> {
  return {
    about: (c) =>
      json(
        200,
        c.env.requestId,
        JSON.stringify({ name: "keylane", version: VERSION, base_url: "/v1", docs: DOCS }),
      ),
    healthz: (c) => json(200, c.env.requestId, '{"status":"alive"}'),
    readyz: (c) => {
      if (!isDraining()) return json(200, c.env.requestId, '{"status":"ready"}');
      return json(
        503,
        c.env.requestId,
        serializeError(errorBody(503, "draining", "Use another instance: this one stops.")),
      );
    },
    metrics: async (c) => {
      const { contentType, text } = await figures();
      return page(200, c.env.requestId, text, contentType);
    },
    // Claude Code asks this before anything else.
    hello: (c) => new Response(null, { status: 200, headers: c.env.headers }),
  };
}

function json(status: number, requestId: string, body: string): Response {
  return page(status, requestId, body, "application/json");
}

function page(status: number, requestId: string, body: string, contentType: string): Response {
  const headers = {
    "Content-Type": contentType,
    "Content-Length": String(new TextEncoder().encode(body).length),
    "Cache-Control": "no-store",
    "X-Request-Id": requestId,
  };
  return new Response(body, { status, headers });
}
