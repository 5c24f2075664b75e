import type { Settings } from "../config/settings.ts";
import { logUncaught, createLog } from "../node/log.ts";
import { start } from "../node/start.ts";
import { VERSION } from "../version.ts";

/** Starts Keylane; resolves to the exit code once it has stopped. */
export async function serve(settings: Settings): Promise<number> {
  const log = createLog(settings.logLevel);
  const running = await start(settings, { log });
  const { hostname, port } = new URL(running.url);
  const isEverywhere = hostname === "0.0.0.0" || hostname === "[::]";
  const base = isEverywhere ? `http://THIS-HOST:${port}/v1 (it listens on every address)` : `${running.url}/v1`;
  const stopped = new Promise<number>((resolve) => {
    let isStopping = false;
    let hasUncaughtError = false;
    const stop = () => {
      isStopping = true;
      const seconds = settings.drainTimeoutMs / 1000;
      process.stderr.write(`Stopping: answers in flight have ${seconds} s to end; a second signal ends it now\n`);
      void running.stop().then((isComplete) => resolve(isComplete && !hasUncaughtError ? 0 : 1));
    };
    const onSignal = (signal: NodeJS.Signals) => {
      if (isStopping) process.exit(signal === "SIGINT" ? 130 : 143);
      stop();
    };
    logUncaught(log, () => {
      hasUncaughtError = true;
      if (!isStopping) stop();
    });
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  // Written once the signal handlers are in place: a supervisor may stop the process as soon as it reads this.
  process.stderr.write(`Keylane ${VERSION} listens: set your tool's base URL to ${base}\n`);
  process.stderr.write(
    `Lists come from ${settings.upstreamUrl}, every other call goes to ${settings.passthroughUrl}\n`,
  );
  return stopped;
}
