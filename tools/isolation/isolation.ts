import { pathToFileURL } from "node:url";
import { connectAccounts, type Account, type Pair } from "./accounts.ts";
import { check, type Result } from "./check.ts";
import { CHECKS } from "./checks.ts";
import { HELP, parseArguments, wantsHelp } from "./arguments.ts";
import { createTarget, type Target, type RequestCounters } from "./target.ts";
import { promptForKeys } from "./prompt.ts";
import { CannotCheck } from "./cannot-check.ts";

type Write = (text: string) => void;

/**
 * Runs the isolation checks against a running instance, with two keys of the operator's own.
 * Gives the exit code: 0 for isolated, 1 where a check failed, 2 where nothing can be said.
 */
export async function isolation(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  out: Write,
  err: Write,
): Promise<0 | 1 | 2> {
  if (wantsHelp(args)) {
    out(HELP);
    return 0;
  }
  let met: Target | undefined;
  try {
    const asked = parseArguments(args, environment);
    if (asked.isReadableOnTheWay) err(`${READABLE}\n`);
    met = createTarget(asked);
    const pair = await connectAccounts(met);
    out(`${introduction(asked.name, pair)}\n`);
    const results: Result[] = [];
    for (const one of CHECKS) {
      const result = await check(one, { ...asked, pair, instance: met });
      out(`${line(result)}\n`);
      results.push(result);
    }
    out(`\n${summary(results, met.tally())}`);
    if (pair.areEqual) err(`${EQUAL}\n`);
    return codeOf(results);
  } catch (error) {
    if (!(error instanceof CannotCheck)) throw error;
    err(`Cannot check: ${error.message}\n`);
    return 2;
  } finally {
    await met?.close();
  }
}

const READABLE =
  "Note: the keys cross the network readable by everyone on the way, because the address is http. Use https beyond this machine.";
const EQUAL =
  "Inconclusive: both keys get the same models, so a mix-up cannot be seen. Hide a model in one of the two accounts (or use a key of another account), then run this again.";

function introduction(name: string, { A, B }: Pair): string {
  return `Isolation at ${name}: KEY_A sees ${counts(A)}, KEY_B ${counts(B)}\n`;
}

function counts({ ids, alone }: Account): string {
  return `${ids.size} models (${alone.length} of them alone)`;
}

function line({ verdict, sentence, seen }: Result): string {
  return `${verdict.padEnd(8)} ${sentence}${seen === "" ? "" : `: ${seen}`}`;
}

function summary(results: readonly Result[], tally: RequestCounters): string {
  const count = (verdict: Result["verdict"]) => results.filter((one) => one.verdict === verdict).length;
  const counts = (["ok", "FAILED", "unclear", "skipped"] as const)
    .filter((verdict) => verdict === "ok" || count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`);
  const { requests, upstream } = tally;
  return `${results.length} checks: ${counts.join(", ")}
${requests} requests, for which Keylane asked NanoGPT at most ${upstream.A} times with KEY_A and ${upstream.B} times with KEY_B.
The instance has purged the lists of the two keys, and fetches them again when they are requested.
`;
}

function codeOf(results: readonly Result[]): 0 | 1 | 2 {
  if (results.some(({ verdict }) => verdict === "FAILED")) return 1;
  return results.some(({ verdict }) => verdict === "unclear") ? 2 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await isolation(
    process.argv.slice(2),
    await promptForKeys(process.argv.slice(2), process.env),
    (text) => void process.stdout.write(text),
    (text) => void process.stderr.write(text),
  );
}
