import type { CacheLabel } from "../http/cache-headers.ts";
import type { Route } from "../http/canonical-path.ts";
import type { Clock } from "../http/freshness.ts";

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The part of pino's interface that Keylane uses. Fields never hold a credential, a query value or a body. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** The fields of the access-log line of a request. No text in it needs escaping in JSON. */
export interface AccessLogFields {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Generated, or the client's own where it is valid. */
  readonly id: string;
  /** A token (RFC 9110 §9.1). */
  readonly method: string;
  readonly route: Route["kind"];
  readonly status: number;
  readonly ms: number;
  readonly cache: CacheLabel | undefined;
  /** Hexadecimal digits. */
  readonly caller: string | undefined;
}

/** A log that also writes access-log lines. */
export interface RequestLog extends Log {
  request(fields: AccessLogFields): void;
}

/** The access-log line of a request: level info, in pino's shape. */
export function accessLogLine(fields: AccessLogFields): string {
  const { time, id, method, route, status, ms, cache, caller } = fields;
  const ends = `${cache === undefined ? "" : `,"cache":"${cache}"`}${caller === undefined ? "" : `,"caller":"${caller}"`}`;
  return `{"level":"info","time":${time},"id":"${id}","method":"${method}","route":"${route}","status":${status},"ms":${ms}${ends},"msg":"request"}`;
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log that writes one JSON object per line, in pino's shape, for runtimes without pino. */
export function jsonLogger(level: LogLevel, now: Clock, write: (line: string) => void): RequestLog {
  const minLevel = LOG_LEVELS.indexOf(level);
  const logAt = (name: LogLevel) => {
    if (LOG_LEVELS.indexOf(name) < minLevel) return () => {};
    return (fields: LogFields, message: string) => {
      write(JSON.stringify({ level: name, time: now(), ...fields, msg: message }));
    };
  };
  const isEnabled = LOG_LEVELS.indexOf("info") >= minLevel;
  return {
    debug: logAt("debug"),
    info: logAt("info"),
    warn: logAt("warn"),
    error: logAt("error"),
    request: (fields) => {
      if (isEnabled) write(accessLogLine(fields));
    },
  };
}

/** The first eight stack frames of an error, without its message, which may quote the request. */
export function stackFrames(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8)
    .map((line) => line.trim())
    .join(" < ");
}
