import type { Settings } from "../config/settings.ts";
import { badRequest, bodyTooLarge, upstreamTimeout, upstreamUnreachable, type ApiError } from "../http/errors.ts";
import type { RawHeaders } from "../http/headers.ts";
import type { RawRequest, ProxyRequest } from "../http/request-context.ts";

type ProxySettings = Pick<Settings, "passthroughUrl" | "passthroughTimeoutMs" | "maxBodyBytes">;

/** Makes the RawRequest of each Request. Bodies are passed as streams, which the runtime pipes. */
export function rawRequestFactory(settings: ProxySettings): (request: Request) => RawRequest {
  return (request) => ({
    target: targetOf(request.url),
    rawHeaders: () => toRawHeaders(request.headers, isEdgeHeader),
    header: (name) => request.headers.get(name),
    forward: (call) => forward(request, call, settings),
  });
}

async function forward(request: Request, call: ProxyRequest, settings: ProxySettings): Promise<Response> {
  const abort = new AbortController();
  const body = requestBody(request, settings.maxBodyBytes, (reason) => abort.abort(reason));
  const timer = setTimeout(() => abort.abort(upstreamTimeout()), settings.passthroughTimeoutMs);
  try {
    const response = await fetch(settings.passthroughUrl + call.path, {
      method: call.method,
      headers: toHeaders(call.rawHeaders),
      body,
      redirect: "manual",
      // A Worker's GET reads through the zone's cache unless `no-store` is set, which adds two header fields.
      ...(isBodiless(call.method) ? { cache: "no-store" } : {}),
      signal: AbortSignal.any([request.signal, abort.signal]),
      duplex: "half",
    });
    const { status, statusText } = response;
    const headers = toHeaders(call.toClientHeaders(status, toRawHeaders(response.headers)));
    return new Response(response.body, { status, statusText, headers });
  } catch {
    throw abort.signal.aborted ? abort.signal.reason : upstreamUnreachable("check PASSTHROUGH_URL");
  } finally {
    clearTimeout(timer);
  }
}

// A Content-Length has been checked and is enforced by the runtime; bodies without one are counted here.
function requestBody(request: Request, maxBytes: number, abort: (reason: ApiError) => void): Request["body"] {
  const { headers, method, body } = request;
  if (isBodiless(method)) {
    if (headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0) throw bodyNotSupported();
    return null;
  }
  if (body === null || headers.has("content-length")) return body;
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read().catch(() => ({ done: false, value: undefined }));
      if (done) return controller.close();
      bytes += value?.length ?? 0;
      if (value !== undefined && bytes <= maxBytes) return controller.enqueue(value);
      abort(value === undefined ? badRequest("Send the whole body that the request begins.") : bodyTooLarge(maxBytes));
      // Throwing here would end the body as if it were complete; this promise is dropped with the aborted call.
      await new Promise(() => {});
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function isBodiless(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

// fetch cannot send such a body (Fetch standard, `new Request`, step 35).
function bodyNotSupported(): ApiError {
  return badRequest("Send a GET or HEAD without a body: on Workers it cannot be passed on.");
}

// The request target is the part after scheme and host; `new URL` would normalize it.
function targetOf(url: string): string {
  const target = url.replace(/^[a-z]+:\/\/[^/?]*/i, "");
  return target.startsWith("/") ? target : `/${target}`;
}

// Headers that Cloudflare adds to requests: the client did not send them, and they identify it to upstream.
function isEdgeHeader(name: string): boolean {
  return name.startsWith("cf-") || name === "x-real-ip" || name === "x-forwarded-proto" || name === "cdn-loop";
}

function toRawHeaders(headers: Headers, isExcluded: (name: string) => boolean = () => false): RawHeaders {
  return [...headers].flatMap(([name, value]) => (isExcluded(name) ? [] : [name, value]));
}

function toHeaders(rawHeaders: RawHeaders): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  return headers;
}
