import { isLoopback } from "../config/parsers.ts";
import { parseBase, splitPath } from "../http/canonical-path.ts";
import { looksLikeKey } from "../http/credential.ts";

/** The base URL of an instance, whether typed with or without `/v1`, with a final slash, or pasted with `/models`. */
export interface BaseUrl {
  readonly origin: string;
  /** The path before `/models`, such as `/v1`. */
  readonly base: string;
  readonly isLoopback: boolean;
}

/** Parses an http or https URL; undefined for any other text and for one with a key, user, query or fragment. */
export function parseBaseUrl(text: string): BaseUrl | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || /[@?#]/.test(text)) return undefined;
  // The address is requested and printed: a key in it would leak.
  if (looksLikeKey(text)) return undefined;
  const path = url.pathname.replace(/\/+$/, "").replace(/\/models$/, "");
  const base = parseBase(splitPath(path).slice(-1)).isVersioned ? path : `${path}/v1`;
  return { origin: url.origin, base, isLoopback: isLoopback(url.hostname) };
}

/** The part of a base path that belongs to a proxy in front of Keylane; empty where there is none. */
export function prefixOf(base: string): string {
  return split(base)
    .prefix.map((segment) => `/${segment}`)
    .join("");
}

/** The same base path with the personalized list in it. */
export function personalizedBase(base: string): string {
  const { prefix, own } = split(base);
  const { droppedUpstream, list } = parseBase(own);
  const version = own.slice(droppedUpstream + Number(list !== undefined));
  return `/${[...prefix, ...own.slice(0, droppedUpstream), "personalized", ...version].join("/")}`;
}

// Keylane's own part is the longest suffix of the path that is a base URL.
function split(base: string): { prefix: readonly string[]; own: readonly string[] } {
  const segments = splitPath(base);
  const start = segments.findIndex((_, i) => parseBase(segments.slice(i)).length === segments.length - i);
  return { prefix: segments.slice(0, start), own: segments.slice(start) };
}
