// Every case of the bench still runs, gives a value for each candidate, and rejects wrong arguments.
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Row } from "../bench/compare.ts";

const run = promisify(execFile);
const root = new URL("../..", import.meta.url).pathname;
const hasNginx = spawnSync("nginx", ["-v"]).status === 0;
if (!hasNginx) console.warn("Skipped: a bench that compares nginx, which is not installed.");

// Without `starts`, which builds the package and bundles the Worker: .ci/run does that anyway.
test.each([
  ["hits", ["bare server", "keylane", "keylane, one key", "keylane, 20 keys", "bare server, 20 responses"]],
  ["misses", ["upstream, direct", "keylane"]],
  ["calls", ["bare pipe", "keylane", "no proxy"]],
  ["streams", ["no proxy", "bare pipe", "keylane"]],
  ["resident", ["keylane, idle", "keylane, full", "keylane, over idle"]],
  ["refresh", ["keylane, no refresh", "keylane, a refresh", "keylane, first fetch", "keylane, first refresh"]],
])("the case %s runs and gives a value for each candidate", { timeout: 60_000 }, async (name, candidates) => {
  const rows = await runCase(name);
  expect(rows.map((row) => row.name)).toEqual(expect.arrayContaining(candidates));
  for (const row of rows) expect(row.median, `${row.case}, ${row.name}`).toBeGreaterThanOrEqual(0);
});

test.skipIf(!hasNginx && process.env["CI"] !== "true")(
  "the case hits compares nginx, with gzip on the fly and stored",
  { timeout: 60_000 },
  async () => {
    const candidates = (await runCase("hits")).map((row) => row.name);
    expect(candidates).toContain("nginx, gzip on the fly");
    expect(candidates).toContain("nginx, stored gzip");
  },
);

test("an unknown case is rejected, with the names of all cases", async () => {
  const rejected = run(process.execPath, ["test/bench/bench.ts", "hit"], { cwd: root });
  await expect(rejected).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("hits, misses") });
});

test("an unknown option is rejected, with all options", async () => {
  const rejected = run(process.execPath, ["test/bench/bench.ts", "--shrt"], { cwd: root });
  await expect(rejected).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--shrt[^]*--short/),
  });
});

async function runCase(name: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bench-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "rows.json");
  await run(process.execPath, ["test/bench/bench.ts", "--short", "--json", file, name], { cwd: root });
  return (JSON.parse(await readFile(file, "utf8")) as { rows: Row[] }).rows;
}
