import { settings, SettingsError, type Settings, type Source } from "../config.ts";
import { VERSION } from "../version.ts";
import { hearFaults, jsonLog } from "./log.ts";
import { start } from "./program.ts";

const HELP = `keylane ${VERSION}: a caching proxy that gives every NanoGPT key its own model list

  keylane               start; http://127.0.0.1:8787/v1 is then a base URL for OpenAI-compatible tools
  keylane healthcheck   ask /readyz of the instance with these settings; exits 0 when it is ready, else 1
  keylane --help        this text
  keylane --version     the version

Settings come from the environment (HOST, PORT, MAX_AGE, …); the README lists them.
`;

const HEALTHCHECK_TIMEOUT_MS = 3000;

/** Runs one command line and gives its exit code; a started server keeps the process until it has stopped. */
export async function command(words: readonly string[], environment: Source): Promise<number> {
  const [word] = words;
  if (words.length > 1) return usage(`keylane takes one word at most, got: ${words.join(" ")}`);
  switch (word) {
    case undefined:
      return guarded(environment, serve);
    case "healthcheck":
      return guarded(environment, healthcheck);
    case "--help":
    case "-h":
      process.stdout.write(HELP);
      return 0;
    case "--version":
    case "-v":
      process.stdout.write(`${VERSION}\n`);
      return 0;
    default:
      return usage(
        `keylane does not know ${JSON.stringify(word)}; settings come from the environment: PORT=8788 keylane`,
      );
  }
}

async function guarded(environment: Source, run: (found: Settings) => Promise<number>): Promise<number> {
  let found: Settings | undefined;
  try {
    found = settings(environment);
    return await run(found);
  } catch (error) {
    const message = startMessage(error, found);
    if (message === undefined) throw error;
    process.stderr.write(`${message}\n`);
    return 1;
  }
}

/** Says what to do about a failed start; undefined for a failure that is none of the operator's making. */
export function startMessage(error: unknown, found: Settings | undefined): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof SettingsError || error.message.startsWith("Cannot start:")) return error.message;
  const { host, port } = found ?? { host: "", port: "" };
  switch ("code" in error ? error.code : undefined) {
    case "EADDRINUSE":
      return `Cannot start: ${host}:${port} is in use: stop the other program, or set another PORT`;
    case "EACCES":
      return `Cannot start: PORT ${port} needs more rights than this user has: set one above 1023`;
    case "EADDRNOTAVAIL":
      return `Cannot start: HOST must be an address of this machine, got ${JSON.stringify(host)}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `Cannot start: HOST must be an address or a name that is known here, got ${JSON.stringify(host)}`;
    default:
      return undefined;
  }
}

async function serve(found: Settings): Promise<number> {
  const log = jsonLog(found.logLevel);
  const running = await start(found, { log });
  const { hostname, port } = new URL(running.url);
  const isEverywhere = hostname === "0.0.0.0" || hostname === "[::]";
  const base = isEverywhere
    ? `http://THIS-HOST:${port}/v1 (it listens on every address)`
    : `${running.url}/v1`;
  const stopped = new Promise<number>((resolve) => {
    let isStopping = false;
    let isSound = true;
    const stop = () => {
      isStopping = true;
      const seconds = found.drainTimeoutMs / 1000;
      process.stderr.write(
        `Stopping: answers in flight have ${seconds} s to end; a second signal ends it now\n`,
      );
      void running.stop().then((isWhole) => resolve(isWhole && isSound ? 0 : 1));
    };
    const onSignal = (signal: NodeJS.Signals) => {
      if (isStopping) process.exit(signal === "SIGINT" ? 130 : 143);
      stop();
    };
    hearFaults(log, () => {
      isSound = false;
      if (!isStopping) stop();
    });
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  // Only now: who reads this may tell it to stop.
  process.stderr.write(`Keylane ${VERSION} listens: set your tool's base URL to ${base}\n`);
  process.stderr.write(
    `Lists come from ${found.upstreamUrl}, every other call goes to ${found.passthroughUrl}\n`,
  );
  return stopped;
}

async function healthcheck({ host, port, allowedHosts }: Settings): Promise<number> {
  // A server that listens everywhere is asked here.
  const address = host === "0.0.0.0" ? "127.0.0.1" : host.replace(/^::$/, "::1");
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}/readyz`;
  const { request } = await import("undici");
  try {
    const headers = allowedHosts?.[0] === undefined ? {} : { host: allowedHosts[0] };
    const timeouts = { headersTimeout: HEALTHCHECK_TIMEOUT_MS, bodyTimeout: HEALTHCHECK_TIMEOUT_MS };
    const { statusCode, body } = await request(url, {
      headers,
      ...timeouts,
      signal: AbortSignal.timeout(HEALTHCHECK_TIMEOUT_MS),
    });
    await body.dump();
    if (statusCode === 200) return 0;
    process.stderr.write(`Not ready: ${url} answered ${statusCode}\n`);
  } catch {
    process.stderr.write(`Not ready: ${url} does not answer\n`);
  }
  return 1;
}

function usage(fault: string): number {
  process.stderr.write(`${fault}\n\n${HELP}`);
  return 2;
}
