import { looksLikeKey } from "../http/credential.ts";

/** The message for an unknown argument. It quotes only an argument that cannot be a key. */
export function unknownArgument(argument = ""): string {
  const isPlain = /^-{0,2}[a-z][a-z-]{0,20}$/i.test(argument) && !looksLikeKey(argument);
  const named = isPlain ? JSON.stringify(argument) : "an argument that is not shown";
  if (/^(?:start|serve|run)$/.test(argument)) return `keylane does not know ${named}: to start, say keylane alone`;
  if (argument.startsWith("--") && isPlain) {
    return `keylane does not know ${named}: settings come from the environment, such as PORT=8788 keylane`;
  }
  const advice = isPlain ? "" : ": a key belongs into the environment, as NANOGPT_API_KEY";
  return `keylane does not know ${named}${advice}`;
}

/** Prints what is wrong with a command line. Returns the exit code. */
export function usageError(message: string): 2 {
  process.stderr.write(`${message}\nkeylane --help lists the commands\n`);
  return 2;
}
