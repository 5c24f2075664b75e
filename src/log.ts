export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The part of pino's interface that Keylane uses. Fields never hold a credential, a query value or a body. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes one JSON object a line through `write`, in pino's shape, for runtimes where pino does not run. */
export function lineLog(level: LogLevel, now: () => number, write: (line: string) => void): Log {
  const least = LOG_LEVELS.indexOf(level);
  const at = (name: LogLevel) => {
    if (LOG_LEVELS.indexOf(name) < least) return () => {};
    return (fields: LogFields, message: string) => {
      write(JSON.stringify({ level: name, time: now(), ...fields, msg: message }));
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Says where a fault happened, never its message: that may quote what was sent. */
export function framesOf(fault: unknown): string {
  const stack = fault instanceof Error ? (fault.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8)
    .map((line) => line.trim())
    .join(" < ");
}
