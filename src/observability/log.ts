import type { Route } from "../http/canonical-path.ts";
import type { CacheLabel } from "../http/cache-status.ts";

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The part of pino's interface that Keylane uses. Fields never hold a credential, a query value or a body. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** What the one line tells that each request has. Every text is plain: there is nothing in it to escape. */
export interface AccessLogFields {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** As requestIds() or a sane caller gave it. */
  readonly id: string;
  /** A token (RFC 9110 §9.1). */
  readonly method: string;
  readonly route: Route["room"];
  readonly status: number;
  readonly ms: number;
  readonly cache: CacheLabel | undefined;
  /** Digits and letters. */
  readonly caller: string | undefined;
}

/** The log that tells of requests, too. */
export interface RequestLog extends Log {
  request(fields: AccessLogFields): void;
}

/** Makes a request's line, of level info and in pino's shape. */
export function accessLogLine(fields: AccessLogFields): string {
  const { time, id, method, route, status, ms, cache, caller } = fields;
  const ends = `${cache === undefined ? "" : `,"cache":"${cache}"`}${caller === undefined ? "" : `,"caller":"${caller}"`}`;
  return `{"level":"info","time":${time},"id":"${id}","method":"${method}","route":"${route}","status":${status},"ms":${ms}${ends},"msg":"request"}`;
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes one JSON object a line through `write`, in pino's shape, for runtimes where pino does not run. */
export function jsonLogger(level: LogLevel, now: () => number, write: (line: string) => void): RequestLog {
  const least = LOG_LEVELS.indexOf(level);
  const at = (name: LogLevel) => {
    if (LOG_LEVELS.indexOf(name) < least) return () => {};
    return (fields: LogFields, message: string) => {
      write(JSON.stringify({ level: name, time: now(), ...fields, msg: message }));
    };
  };
  const isTold = LOG_LEVELS.indexOf("info") >= least;
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    request: (fields) => {
      if (isTold) write(accessLogLine(fields));
    },
  };
}

/** Says where a fault happened, never its message: that may quote what was sent. */
export function stackFrames(fault: unknown): string {
  const stack = fault instanceof Error ? (fault.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8)
    .map((line) => line.trim())
    .join(" < ");
}
