import { promptSecret } from "../../src/cli/secret-prompt.ts";
import { wantsHelp } from "./arguments.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Prompts for the keys that the environment lacks, without echo; only in a terminal. */
export async function promptForKeys(args: readonly string[], environment: Environment): Promise<Environment> {
  if (!process.stdin.isTTY || wantsHelp(args)) return environment;
  const keys = { ...environment };
  for (const name of ["KEY_A", "KEY_B"]) keys[name] ||= await promptSecret(name);
  return keys;
}
