import pino from "pino";
import { codeOf } from "../failures.ts";
import { framesOf, type Log, type LogLevel } from "../log.ts";

// More would not save a write worth having: with each line the destination counts all that waits.
const BUFFER_BYTES = 4000;
const FLUSH_MS = 100;
// What waits where nothing can be written, as on a full disk; lines beyond it are lost.
const WAITING_BYTES = 1_000_000;

/**
 * Makes the log: one JSON object a line on standard output. Lines are written together, when there are 4 KB of them and
 * ten times a second: a write for each would cost more than the rest of a hit, and so does pino's own thread for it
 * (npm run bench -- hits).
 */
export function jsonLog(level: LogLevel): Log {
  let isWritten = true;
  const destination = pino.destination({
    sync: true,
    minLength: BUFFER_BYTES,
    periodicFlush: FLUSH_MS,
    maxLength: WAITING_BYTES,
  });
  // Answers go on without a log; unheard, its fault would end the program.
  destination.on("error", (fault: unknown) => {
    if (isWritten) process.stderr.write(`The log cannot be written (${codeOf(fault)})\n`);
    isWritten = false;
  });
  destination.on("write", () => (isWritten = true));
  process.once("exit", () => flushLast(destination));
  return pino({ level, base: null, formatters: { level: (label) => ({ level: label }) } }, destination);
}

function flushLast(destination: { flushSync(): void }): void {
  try {
    destination.flushSync();
  } catch {
    // It was told when it could not be written for the first time.
  }
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
