import bytes from "bytes";
import ms from "ms";
import { TIMER_MAX_MS } from "../async/timeout.ts";

/** Parses the text of a setting, or says what is expected instead. */
export type Parser<T> = (raw: string) => T | Invalid;

export interface Invalid {
  /** Completes the sentence "MAX_AGE must be …". */
  readonly expected: string;
  /** True where the value must not be printed. */
  readonly isSecret?: boolean;
}

export const string: Parser<string> = (raw) => raw;

export const port: Parser<number> = (raw) => {
  const value = /^\d+$/.test(raw) ? Number(raw) : -1;
  return value >= 0 && value <= 65_535 ? value : { expected: "a port from 0 to 65535" };
};

const UNITS = ["ms", "s", "m", "h", "d"] as const;
const YEAR_MS = 365 * 86_400_000;

/** Parses `500ms`, `60s`, `10m`, `24h`, or a bare number of seconds, into milliseconds. */
export const duration: Parser<number> = (raw) => {
  const value = milliseconds(raw);
  return value <= YEAR_MS ? value : { expected: "a duration such as 500ms, 60s, 10m or 24h, at most 365d" };
};

/** Parses a duration that a timer can wait for, into milliseconds. */
export const timeout: Parser<number> = (raw) => {
  const value = milliseconds(raw);
  const isWaitable = value >= 1 && value <= TIMER_MAX_MS;
  return isWaitable ? value : { expected: "a duration such as 500ms, 60s, 10m or 24h, above 0 and at most 24d" };
};

// `ms` alone would also accept "1 minute", "2 yrs" and "-5s".
function milliseconds(raw: string): number {
  const [, digits, unit = "s"] = /^(\d+(?:\.\d+)?)([a-z]+)?$/.exec(raw) ?? [];
  const known = UNITS.find((name) => name === unit);
  return digits === undefined || known === undefined ? Number.NaN : Math.round(ms(`${Number(digits)}${known}`));
}

export const boolean: Parser<boolean> = (raw) => {
  if (raw === "true" || raw === "false") return raw === "true";
  return { expected: "true or false" };
};

/** Parses `512KB`, `64MB`, `1GB` (powers of 1024), or a bare number of bytes. */
export const size: Parser<number> = (raw) => {
  // `bytes` alone would also accept "64 apples".
  const value = /^\d+(?:\.\d+)?(?:b|kb|mb|gb)?$/i.test(raw) ? bytes.parse(raw) : null;
  return value !== null && value >= 1 ? value : { expected: "a size such as 512KB, 64MB or 1GB" };
};

export function oneOf<const T extends string>(names: readonly T[]): Parser<T> {
  return (raw) => names.find((name) => name === raw) ?? { expected: `one of ${names.join(", ")}` };
}

/** Parses the base URL of an upstream and removes trailing slashes. */
export const url: Parser<string> = (raw) => {
  // User, query and fragment may contain a key, even in a text that is not a URL.
  const hasMore = /[@?#]/.test(raw);
  const parsed = URL.parse(raw);
  if (hasMore || parsed === null || !/^https?:$/.test(parsed.protocol)) {
    const expected = "an http or https URL without user, query or fragment, such as https://nano-gpt.com/api";
    return { expected, isSecret: hasMore };
  }
  // Keylane adds the rest of the path itself.
  if (/\/v1\/*$/.test(parsed.pathname)) return { expected: "without /v1 at its end, such as https://nano-gpt.com/api" };
  return parsed.href.replace(/\/+$/, "");
};

/** Parses the URL of a Redis server, which may contain a password. */
export const redisUrl: Parser<string> = (raw) =>
  isRedisUrl(URL.parse(raw))
    ? raw
    : { expected: "a redis or rediss URL such as redis://localhost:6379", isSecret: true };

// The path is a database number; user and password are percent-encoded.
function isRedisUrl(url: URL | null): boolean {
  if (url === null || !/^rediss?:$/.test(url.protocol) || !/^\/?\d*$/.test(url.pathname)) return false;
  try {
    return url.hostname !== "" && decodeURIComponent(url.username + url.password) !== undefined;
  } catch {
    return false;
  }
}

const SECRET_MIN_LENGTH = 16;

export const secret: Parser<string> = (raw) =>
  raw.length >= SECRET_MIN_LENGTH
    ? raw
    : { expected: `at least ${SECRET_MIN_LENGTH} characters that nobody can guess`, isSecret: true };

/** Parses `*`, or a comma-separated list of web origins; empty for none. */
export const origins: Parser<"*" | readonly string[]> = (raw) => {
  if (raw === "*") return "*";
  const listed = commaSeparated(raw);
  const areOrigins = listed.every((origin) => URL.parse(origin)?.origin === origin);
  return areOrigins ? listed : { expected: "*, or origins such as https://chat.example.org, separated by commas" };
};

/** Parses a comma-separated list of Host values, with or without a port, into lower case. */
export const hosts: Parser<readonly string[]> = (raw) => {
  const listed = commaSeparated(raw.toLowerCase());
  const areHosts = listed.every((host) => /^(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d+)?$/.test(host));
  return areHosts && listed.length > 0 ? listed : { expected: "hosts such as localhost:8787, separated by commas" };
};

function commaSeparated(raw: string): string[] {
  return raw.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
}

/** Whether a URL's host name is this machine's loopback interface. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}
