import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Row } from "../bench/compare.ts";

const run = promisify(execFile);
const root = new URL("../..", import.meta.url).pathname;
const isNginxHere = spawnSync("nginx", ["-v"]).status === 0;
if (!isNginxHere) console.warn("Skipped: a bench beside nginx, which is not installed here.");

// Not `starts`: it builds the package and bundles the Worker, which .ci/run does besides.
test.each([
  ["hits", ["bare server", "keylane", "keylane, one key", "keylane, 20 keys", "bare server, 20 answers"]],
  ["misses", ["upstream, asked directly", "keylane"]],
  ["calls", ["bare pipe", "keylane", "no proxy"]],
  ["streams", ["no proxy", "bare pipe", "keylane"]],
  ["resident", ["keylane, idle", "keylane, full", "keylane, over idle"]],
  ["refresh", ["keylane, no refresh", "keylane, a refresh", "keylane, first fetch", "keylane, first refresh"]],
])("the bench of %s runs and gives a figure for each that is compared", { timeout: 60_000 }, async (name, who) => {
  const rows = await benched(name);
  expect(rows.map((row) => row.name)).toEqual(expect.arrayContaining(who));
  for (const row of rows) expect(row.median, `${row.case}, ${row.name}`).toBeGreaterThanOrEqual(0);
});

test.skipIf(!isNginxHere && process.env["CI"] !== "true")(
  "the bench of hits compares nginx, compressing and not",
  { timeout: 60_000 },
  async () => {
    const who = (await benched("hits")).map((row) => row.name);
    expect(who).toContain("nginx, gzip on the fly");
    expect(who).toContain("nginx, stored gzip");
  },
);

test("a case that the bench does not know is refused with the names of those it knows", async () => {
  const refused = run(process.execPath, ["test/bench/bench.ts", "hit"], { cwd: root });
  await expect(refused).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("hits, misses") });
});

test("an option that the bench does not know is refused with those it knows", async () => {
  const refused = run(process.execPath, ["test/bench/bench.ts", "--shrt"], { cwd: root });
  await expect(refused).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--shrt[^]*--short/),
  });
});

async function benched(name: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bench-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "rows.json");
  await run(process.execPath, ["test/bench/bench.ts", "--short", "--json", file, name], { cwd: root });
  return (JSON.parse(await readFile(file, "utf8")) as { rows: Row[] }).rows;
}
