import { parseSettings, type Settings, type Environment } from "../config/settings.ts";
import { VERSION } from "../version.ts";
import { startErrorMessage } from "./start-error.ts";
import { unknownArgument, usageError } from "./usage.ts";

// Fits a screen of 80 by 24.
const HELP = `keylane ${VERSION}: a caching proxy that gives every NanoGPT key its own model list

  keylane               start; http://127.0.0.1:8787/v1 is then the base URL of
                        your tools
  keylane check         try a key, and print the base URL of each tool
    --url URL           a running Keylane, or NanoGPT: https://nano-gpt.com/api;
                        unless given this machine's, at PORT or 8787
    --json              for machines
  keylane healthcheck   exit 0 when the instance with these settings is ready
  keylane --help        this text
  keylane --version     the version

check takes the key from NANOGPT_API_KEY or asks for it, unseen: never put a key
on a command line. Settings come from the environment; the README lists them:

  PORT=8788 MAX_AGE=10m keylane

Exit codes: 0 good, 1 something is wrong (it says what), 2 an argument is
unknown or the key is missing.
`;

/** Runs one command line and resolves to its exit code; `keylane` alone does so once the server has stopped. */
export async function main(args: readonly string[], env: Environment): Promise<number> {
  const [command, ...rest] = args;
  if (args.some((one) => one === "--help" || one === "-h")) return help();
  // Each command is imported when it runs: a check needs no server.
  if (command === "check") return (await import("./check.ts")).check(rest, env);
  if (rest.length > 0) return usageError(unknownArgument(command === "healthcheck" ? rest[0] : command));
  switch (command) {
    case undefined:
      return withSettings(env, (await import("./serve.ts")).serve);
    case "healthcheck":
      return withSettings(env, (await import("./healthcheck.ts")).healthcheck);
    case "help":
      return help();
    case "--version":
    case "-v":
      process.stdout.write(`${VERSION}\n`);
      return 0;
    default:
      return usageError(unknownArgument(command));
  }
}

function help(): 0 {
  process.stdout.write(HELP);
  return 0;
}

async function withSettings(env: Environment, run: (settings: Settings) => Promise<number>): Promise<number> {
  let settings: Settings | undefined;
  try {
    settings = parseSettings(env);
    return await run(settings);
  } catch (error) {
    const message = startErrorMessage(error, settings);
    if (message === undefined) throw error;
    process.stderr.write(`${message}\n`);
    return 1;
  }
}
