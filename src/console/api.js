import { cacheStatus } from "./cache-status.js";

/** @import { Exchange } from "./types.d.ts" */

// Asks nothing of Keylane; where nothing is said, a browser that may keep nothing says `no-cache`.
const NOTHING_MORE = "max-stale";

// Not from `document.baseURI`: a user and password may be part of that.
/** The address of this Keylane, without a slash at the end. The page may lie behind a path of a proxy. */
export const BASE = (location.origin + new URL(".", location.href).pathname).replace(/\/+$/, "");

/**
 * Asks this Keylane for JSON. Never throws: a failure is an exchange with its status, or 0.
 * @param {string} path what follows the address
 * @param {string} key
 * @param {{ method?: string, cacheControl?: string }} [options]
 * @returns {Promise<Exchange>}
 */
export async function ask(path, key, { method = "GET", cacheControl = "" } = {}) {
  const [at, startedAt] = [Date.now(), performance.now()];
  performance.clearResourceTimings();
  const url = BASE + path;
  const headers = headersOf(key, { "Cache-Control": cacheControl === "" ? NOTHING_MORE : cacheControl });
  let response;
  let text = "";
  try {
    // Firefox writes what an answer varies by into its cache on disk, and that is the key.
    response = await fetch(url, {
      method,
      headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await response.text();
  } catch {
    // No answer, or not all of one.
    response = undefined;
  }
  const ms = performance.now() - startedAt;
  const timing = await timingOf(url);
  const field = response?.headers.get("cache-status") ?? "";
  return {
    method,
    path,
    asked: cacheControl,
    at,
    ms,
    status: response?.status ?? 0,
    field,
    cache: cacheStatus(field),
    age: secondsOf(response, "age"),
    retryAfter: secondsOf(response, "retry-after"),
    coding: response?.headers.get("content-encoding") ?? "identity",
    wireBytes: timing?.encodedBodySize,
    bytes: timing?.decodedBodySize,
    body: parsed(text),
  };
}

/**
 * Sends one message and gives its stream as it comes.
 * @param {string} key
 * @param {string} model
 * @param {string} message
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
export function chat(key, model, message, signal) {
  const messages = [{ role: "user", content: message }];
  return fetch(`${BASE}/v1/chat/completions`, {
    method: "POST",
    headers: headersOf(key, { "Content-Type": "application/json" }),
    body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    credentials: "omit",
    redirect: "error",
    signal,
  });
}

/**
 * @param {string} key
 * @param {Record<string, string>} more
 */
const headersOf = (key, more) => ({ Authorization: `Bearer ${key}`, ...more });

/**
 * @param {Response | undefined} response
 * @param {string} name
 */
export function secondsOf(response, name) {
  const value = response?.headers.get(name) ?? "";
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/**
 * @param {string} text
 * @returns {unknown}
 */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// The browser notes sizes a moment after the last byte.
const TIMING_PATIENCE_MS = 40;

/**
 * @param {string} url
 * @returns {Promise<PerformanceResourceTiming | undefined>}
 */
async function timingOf(url) {
  const noted = () => performance.getEntriesByName(url, "resource").at(-1);
  if (noted() === undefined) await new Promise((resolve) => setTimeout(resolve, TIMING_PATIENCE_MS));
  const found = noted();
  return found instanceof PerformanceResourceTiming ? found : undefined;
}
