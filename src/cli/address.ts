import { looksLikeKey } from "../http/credential.ts";

/** Where an instance is, as people give it: with /v1, without, with a slash more, or pasted whole. */
export interface BaseUrl {
  readonly origin: string;
  /** What stands before `/models` in every path, such as `/v1`. */
  readonly base: string;
  /** Whether it is on this machine. */
  readonly isLoopback: boolean;
}

/** Reads an address; undefined for what is no http or https URL, or has a key, a user, a query or a fragment. */
export function parseBaseUrl(word: string): BaseUrl | undefined {
  const url = URL.parse(word);
  if (url === null || !/^https?:$/.test(url.protocol) || /[@?#]/.test(word)) return undefined;
  // It is asked for, and shown.
  if (looksLikeKey(word)) return undefined;
  const path = url.pathname.replace(/\/+$/, "").replace(/\/models$/, "");
  const base = /\/v1(?:legacy|thinking)?$/.test(path) ? path : `${path}/v1`;
  const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  return { origin: url.origin, base, isLoopback };
}
