import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { calls } from "./calls.ts";
import type { Row } from "./compare.ts";
import { FULL, SHORT } from "./scale.ts";
import { hits } from "./hits.ts";
import { misses } from "./misses.ts";
import { outcomes } from "./outcomes.ts";
import { pinLoad } from "./processes.ts";
import { refresh } from "./refresh.ts";
import { resident } from "./resident.ts";
import { withSetup, type BenchSetup } from "./setup.ts";
import { starts } from "./starts.ts";
import { streams } from "./streams.ts";
import { table } from "./table.ts";

// Runs the comparisons: `npm run bench`, `npm run bench -- hits misses`, `npm run bench -- --short`,
// `npm run bench -- --json FILE`. README.md in this folder explains the output.

const CASES: Readonly<Record<string, (setup: BenchSetup) => Promise<Row[]>>> = {
  hits,
  misses,
  outcomes,
  calls,
  streams,
  resident,
  refresh,
  starts,
};

const { values, positionals } = args();
const names = positionals.length === 0 ? Object.keys(CASES) : positionals;
const unknown = names.filter((name) => !(name in CASES));
if (unknown.length > 0) exitWithUsage(`No case is named ${unknown.join(", ")}.`);

// Exit handlers stop what was started, also when the run is interrupted.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const cores = pinLoad();
const rows: Row[] = [];
for (const name of names) {
  const measured = await withSetup(values.short ? SHORT : FULL, async (setup) => CASES[name]?.(setup) ?? []);
  const note = values.short ? "; short: the numbers mean nothing" : "";
  console.log(`${name} (${cores}${note})\n${table(measured)}\n`);
  rows.push(...measured);
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ cores, rows }, undefined, 2)}\n`);

function args() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { short: { type: "boolean", default: false }, json: { type: "string" } },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return exitWithUsage(`${reason}\nnpm run bench -- [CASE…] [--short] [--json FILE]`);
  }
}

function exitWithUsage(message: string): never {
  console.error(`${message}\nThe cases: ${Object.keys(CASES).join(", ")}`);
  process.exit(1);
}
