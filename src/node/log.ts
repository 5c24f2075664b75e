import pino from "pino";
import { codeOf } from "../failures.ts";
import { framesOf, type Log, type LogLevel } from "../log.ts";

const BUFFER_BYTES = 16_000;
const FLUSH_MS = 100;

/**
 * Makes the log: one JSON object a line on standard output. Lines are written together, when there are 16 KB of them and
 * ten times a second: a write for each would cost more than the rest of a hit, and so does pino's own thread for it
 * (test/bench/hit.ts).
 */
export function jsonLog(level: LogLevel): Log {
  const destination = pino.destination({
    sync: true,
    minLength: BUFFER_BYTES,
    periodicFlush: FLUSH_MS,
  });
  process.once("exit", () => destination.flushSync());
  return pino({ level, base: null, formatters: { level: (label) => ({ level: label }) } }, destination);
}

/**
 * Makes faults heard that nothing has caught. A rejected promise costs the work that waited for it and no more; after an
 * exception nobody knows what still holds, so `stop` is called.
 */
export function hearFaults(log: Log, stop: () => void): void {
  process.on("unhandledRejection", (fault) => {
    tell(log, fault, "unhandled rejection");
  });
  process.on("uncaughtException", (fault) => {
    tell(log, fault, "uncaught exception");
    stop();
  });
}

// On standard error as well: whatever LOG_LEVEL is, this must be seen. Never the message: it may quote what was sent.
function tell(log: Log, fault: unknown, what: string): void {
  const at = framesOf(fault);
  log.error({ fault: codeOf(fault), at }, what);
  process.stderr.write(`${what} (${codeOf(fault)}) ${at}\n`);
}
