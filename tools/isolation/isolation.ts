import { pathToFileURL } from "node:url";
import { fetchAccounts, type Account, type Pair } from "./accounts.ts";
import { check, type Result } from "./check.ts";
import { CHECKS } from "./checks.ts";
import { HELP, parseArguments, wantsHelp } from "./arguments.ts";
import { createTarget, type Target, type Traffic } from "./target.ts";
import { promptForKeys } from "./prompt.ts";
import { CannotCheck } from "./cannot-check.ts";

type Write = (text: string) => void;

/**
 * Runs the isolation checks against a running instance, with two of the operator's keys.
 * Returns the exit code: 0 if the keys are isolated, 1 if a check failed, 2 if the result is inconclusive.
 */
export async function checkIsolation(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  out: Write,
  err: Write,
): Promise<0 | 1 | 2> {
  if (wantsHelp(args)) {
    out(HELP);
    return 0;
  }
  let target: Target | undefined;
  try {
    const options = parseArguments(args, environment);
    if (options.isPlaintext) err(`${PLAINTEXT_WARNING}\n`);
    target = createTarget(options);
    const pair = await fetchAccounts(target);
    out(`${introduction(options.url, pair)}\n`);
    const results: Result[] = [];
    for (const one of CHECKS) {
      const result = await check(one, { ...options, pair, target });
      out(`${resultLine(result)}\n`);
      results.push(result);
    }
    out(`\n${summary(results, target.traffic())}`);
    if (pair.areEqual) err(`${EQUAL_LISTS}\n`);
    return exitCode(results);
  } catch (error) {
    if (!(error instanceof CannotCheck)) throw error;
    err(`Cannot check: ${error.message}\n`);
    return 2;
  } finally {
    await target?.close();
  }
}

const PLAINTEXT_WARNING =
  "Note: the keys cross the network readable by everyone on the way, because the address is http. Use https beyond this machine.";
const EQUAL_LISTS =
  "Inconclusive: both keys get the same models, so a mix-up cannot be seen. Hide a model in one of the two accounts (or use a key of another account), then run this again.";

function introduction(url: string, { A, B }: Pair): string {
  return `Isolation at ${url}: KEY_A sees ${counts(A)}, KEY_B ${counts(B)}\n`;
}

function counts({ ids, exclusive }: Account): string {
  return `${ids.size} models (${exclusive.length} of them alone)`;
}

function resultLine({ verdict, sentence, details }: Result): string {
  return `${verdict.padEnd(8)} ${sentence}${details === "" ? "" : `: ${details}`}`;
}

function summary(results: readonly Result[], { requests, upstream }: Traffic): string {
  const count = (verdict: Result["verdict"]) => results.filter((one) => one.verdict === verdict).length;
  const counts = (["ok", "FAILED", "unclear", "skipped"] as const)
    .filter((verdict) => verdict === "ok" || count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`);
  return `${results.length} checks: ${counts.join(", ")}
${requests} requests, for which Keylane asked NanoGPT at most ${upstream.A} times with KEY_A and ${upstream.B} times with KEY_B.
The instance has purged the lists of the two keys, and fetches them again when they are requested.
`;
}

function exitCode(results: readonly Result[]): 0 | 1 | 2 {
  if (results.some(({ verdict }) => verdict === "FAILED")) return 1;
  return results.some(({ verdict }) => verdict === "unclear") ? 2 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await checkIsolation(
    process.argv.slice(2),
    await promptForKeys(process.argv.slice(2), process.env),
    (text) => void process.stdout.write(text),
    (text) => void process.stderr.write(text),
  );
}
