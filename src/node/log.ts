import pino from "pino";
import {
  stackFrames,
  accessLogLine,
  type Log,
  type LogLevel,
  type RequestLog,
} from "../observability/log.ts";
import { errorCode } from "../http/errors.ts";

const BATCH_LENGTH = 8192;
const BATCH_MS = 100;
// What waits where nothing can be written, as on a full disk; lines beyond it are lost.
const MAX_BUFFERED_BYTES = 1_000_000;

/** Makes the log: one JSON object a line on standard output, in the order in which they were told. */
export function createLog(level: LogLevel): RequestLog {
  let isWritten = true;
  const destination = pino.destination({ sync: true, maxLength: MAX_BUFFERED_BYTES });
  // Answers go on without a log; unheard, its fault would end the program.
  destination.on("error", (fault: unknown) => {
    if (isWritten) process.stderr.write(`The log cannot be written (${errorCode(fault)})\n`);
    isWritten = false;
  });
  destination.on("write", () => (isWritten = true));
  const requests = batchedWriter((lines) => destination.write(lines));
  process.once("exit", () => {
    requests.writeAll();
    flushOnExit(destination);
  });
  const log = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(words, tell) {
          requests.writeAll();
          tell.apply(this, words);
        },
      },
    },
    destination,
  );
  const isTold = log.isLevelEnabled("info");
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    request: (fields) => {
      if (isTold) requests.add(accessLogLine(fields));
    },
  };
}

/**
 * Gathers lines and writes them together, when there are 8 KB of them and ten times a second. pino's way of making a
 * request's line, and its destination's of gathering them, took an eighth of a hit; this takes half of that
 * (npm run bench -- hits).
 */
function batchedWriter(write: (lines: string) => void) {
  let lines = "";
  let timer: NodeJS.Timeout | undefined;

  function writeAll(): void {
    if (lines === "") return;
    const all = lines;
    lines = "";
    write(all);
  }

  return {
    writeAll,
    add(line: string): void {
      lines += `${line}\n`;
      if (lines.length >= BATCH_LENGTH) return writeAll();
      timer ??= setTimeout(() => {
        timer = undefined;
        writeAll();
      }, BATCH_MS).unref();
    },
  };
}

// Once: the destination's own flushSync tries for ever what a full disk does not take, and the process would not end.
function flushOnExit(destination: { write(lines: string): boolean }): void {
  try {
    destination.write("");
  } catch {
    // It was told when it could not be written for the first time.
  }
}

/**
 * Makes faults heard that nothing has caught. A rejected promise costs the work that waited for it and no more; after an
 * exception nobody knows what still holds, so `stop` is called.
 */
export function logUncaught(log: Log, stop: () => void): void {
  process.on("unhandledRejection", (fault) => {
    logFault(log, fault, "unhandled rejection");
  });
  process.on("uncaughtException", (fault) => {
    logFault(log, fault, "uncaught exception");
    stop();
  });
}

// On standard error as well: whatever LOG_LEVEL is, this must be seen. Never the message: it may quote what was sent.
function logFault(log: Log, fault: unknown, what: string): void {
  const at = stackFrames(fault);
  log.error({ fault: errorCode(fault), at }, what);
  process.stderr.write(`${what} (${errorCode(fault)}) ${at}\n`);
}
