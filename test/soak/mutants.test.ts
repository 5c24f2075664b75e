// The fuzz test passes on Keylane, and fails for each of the bugs in `MUTANTS`.
import { describe, expect, test } from "vitest";
import { mutatedKeylane } from "../support/fuzz/mutated-source.ts";
import { fuzz } from "../support/fuzz/fuzz.ts";
import { MUTANTS } from "../support/fuzz/mutants.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const TIMEOUT_MS = 300_000;

describe("the concurrency fuzz test", () => {
  test(
    "passes on an unchanged copy of Keylane",
    async () => {
      const { violation } = await fuzz(await mutatedKeylane({ edits: [] }), { operations: 5000, seed });
      if (violation !== undefined) expect.fail(violation);
    },
    TIMEOUT_MS,
  );

  test.each(MUTANTS)(
    "fails if $breaks",
    async ({ edits }) => {
      const start = await mutatedKeylane({ edits });
      const { violation, operations } = await fuzz(start, { operations: 50_000, seed });
      if (violation === undefined) expect.fail(`no violation in ${operations} operations, SEED=${seed}`);
      process.stderr.write(`  after ${operations} operations: ${violation.split("\n")[0]}\n`);
      // The violation is a wrong answer; a broken copy would give none.
      expect(violation).not.toContain("no answer to");
    },
    TIMEOUT_MS,
  );
});
