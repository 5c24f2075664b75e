import { looksLikeKey } from "../http/credential.ts";

/** Says what is wrong with a word, which is quoted only where it cannot be a key. */
export function unknownArgument(word = ""): string {
  const isPlain = /^-{0,2}[a-z][a-z-]{0,20}$/i.test(word) && !looksLikeKey(word);
  const named = isPlain ? JSON.stringify(word) : "a word that is not shown";
  if (/^(?:start|serve|run)$/.test(word))
    return `keylane does not know ${named}: to start, say keylane alone`;
  if (word.startsWith("--") && isPlain) {
    return `keylane does not know ${named}: settings come from the environment, such as PORT=8788 keylane`;
  }
  const advice = isPlain ? "" : ": a key belongs into the environment, as NANOGPT_API_KEY";
  return `keylane does not know ${named}${advice}`;
}

/** Says how the command line must be, and gives the exit code for it. */
export function usageError(fault: string): 2 {
  process.stderr.write(`${fault}\nkeylane --help lists the words\n`);
  return 2;
}
