import pino from "pino";
import { errorCode } from "../http/errors.ts";
import { stackFrames, accessLogLine, type Log, type LogLevel, type RequestLog } from "../observability/log.ts";

const BATCH_LENGTH = 8192;
const BATCH_MS = 100;
// Buffer limit while nothing can be written, as on a full disk; further lines are lost.
const MAX_BUFFERED_BYTES = 1_000_000;

/** Makes the log: one JSON object per line on standard output, in order. */
export function createLog(level: LogLevel): RequestLog {
  let isWritten = true;
  const destination = pino.destination({ sync: true, maxLength: MAX_BUFFERED_BYTES });
  // Requests are served even if the log fails; without a listener its error would end the process.
  destination.on("error", (error: unknown) => {
    if (isWritten) process.stderr.write(`The log cannot be written (${errorCode(error)})\n`);
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
        logMethod(args, method) {
          requests.writeAll();
          method.apply(this, args);
        },
      },
    },
    destination,
  );
  const isEnabled = log.isLevelEnabled("info");
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    request: (fields) => {
      if (isEnabled) requests.add(accessLogLine(fields));
    },
  };
}

/**
 * Batches lines and writes them once 8 KB have accumulated, at least ten times a second. pino's formatting and buffering of
 * an access-log line took an eighth of a hit; this takes half of that (npm run bench -- hits).
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

// Tries once: the destination's own flushSync retries forever on a full disk, and the process would not exit.
function flushOnExit(destination: { write(lines: string): boolean }): void {
  try {
    destination.write("");
  } catch {
    // Reported when it first failed.
  }
}

/**
 * Logs uncaught errors. An unhandled rejection affects only the work that awaited it; after an uncaught exception the state
 * of the process is unknown, so `stop` is called.
 */
export function logUncaught(log: Log, stop: () => void): void {
  process.on("unhandledRejection", (error) => {
    logError(log, error, "unhandled rejection");
  });
  process.on("uncaughtException", (error) => {
    logError(log, error, "uncaught exception");
    stop();
  });
}

// Also on standard error, at any LOG_LEVEL. Never the error's message, which may quote the request.
function logError(log: Log, error: unknown, message: string): void {
  const at = stackFrames(error);
  log.error({ error: errorCode(error), at }, message);
  process.stderr.write(`${message} (${errorCode(error)}) ${at}\n`);
}
