import { parseCacheStatus } from "./cache-status.js";

/** @import { RequestRecord } from "./types.d.ts" */

// Keylane ignores `max-stale`. Without a Cache-Control of its own, a fetch with `cache: "no-store"` sends `no-cache`.
const DEFAULT_CACHE_CONTROL = "max-stale";

// `document.baseURI` may contain a user name and password; `origin` and `pathname` never do.
/** The base URL of this Keylane, without a slash at the end. A proxy may serve the page below a path. */
export const BASE_URL = (location.origin + new URL(".", location.href).pathname).replace(/\/+$/, "");

/**
 * Requests JSON from this Keylane. Never throws: a failure is a record with its status, or 0.
 * @param {string} path below the base URL
 * @param {string} key
 * @param {{ method?: string, cacheControl?: string }} [options]
 * @returns {Promise<RequestRecord>}
 */
export async function requestJson(path, key, { method = "GET", cacheControl = "" } = {}) {
  const [sentAt, startedAt] = [Date.now(), performance.now()];
  performance.clearResourceTimings();
  const url = BASE_URL + path;
  const headers = requestHeaders(key, {
    "Cache-Control": cacheControl === "" ? DEFAULT_CACHE_CONTROL : cacheControl,
  });
  let response;
  let text = "";
  try {
    // Firefox writes the request headers named by Vary to its disk cache; one of them carries the key.
    response = await fetch(url, {
      method,
      headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await response.text();
  } catch {
    // No response, or an incomplete one.
    response = undefined;
  }
  const durationMs = performance.now() - startedAt;
  const timing = await resourceTiming(url);
  const cacheStatusHeader = response?.headers.get("cache-status") ?? "";
  return {
    method,
    path,
    cacheControl,
    sentAt,
    durationMs,
    status: response?.status ?? 0,
    cacheStatusHeader,
    cacheStatus: parseCacheStatus(cacheStatusHeader),
    ageSeconds: secondsHeader(response, "age"),
    retryAfterSeconds: secondsHeader(response, "retry-after"),
    coding: response?.headers.get("content-encoding") ?? "identity",
    encodedBytes: timing?.encodedBodySize,
    decodedBytes: timing?.decodedBodySize,
    body: parseJson(text),
  };
}

/**
 * Sends one chat message; the response is a stream of chat completion chunks.
 * @param {string} key
 * @param {string} model
 * @param {string} message
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
export function sendChat(key, model, message, signal) {
  const messages = [{ role: "user", content: message }];
  return fetch(`${BASE_URL}/v1/chat/completions`, {
    method: "POST",
    headers: requestHeaders(key, { "Content-Type": "application/json" }),
    body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    credentials: "omit",
    redirect: "error",
    signal,
  });
}

/**
 * @param {string} key
 * @param {Record<string, string>} others
 */
const requestHeaders = (key, others) => ({ Authorization: `Bearer ${key}`, ...others });

/**
 * @param {Response | undefined} response
 * @param {string} name
 */
export function secondsHeader(response, name) {
  const value = response?.headers.get(name) ?? "";
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/**
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// The browser adds the timing entry shortly after the last byte.
const TIMING_WAIT_MS = 40;

/**
 * @param {string} url
 * @returns {Promise<PerformanceResourceTiming | undefined>}
 */
async function resourceTiming(url) {
  const latest = () => performance.getEntriesByName(url, "resource").at(-1);
  if (latest() === undefined) await new Promise((resolve) => setTimeout(resolve, TIMING_WAIT_MS));
  const entry = latest();
  return entry instanceof PerformanceResourceTiming ? entry : undefined;
}
