import { describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { plainCall } from "../support/plain-call.ts";
import { startProgram, type Program } from "../support/program.ts";

interface Line {
  readonly level: string;
  readonly time: number;
  readonly msg: string;
  readonly route?: string;
}

const linesOf = (program: Program) =>
  program
    .stdout()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
const summary = ({ level, msg, route = "" }: Line) => `${level} ${msg} ${route}`.trim();

async function started(level: string) {
  const program = await startProgram({
    LOG_LEVEL: level,
    UPSTREAM_URL: `http://127.0.0.1:${await freePort()}`,
  });
  return {
    program,
    ask: async () => {
      await plainCall(`${program.url}/healthz`);
      await plainCall(`${program.url}/v1/models`, { fields: "Authorization: Bearer key-of-nobody" });
    },
  };
}

describe("the lines of a program's log", () => {
  const WARNING = "warn list not fetched";

  test("stand in the order in which they were told, whoever tells them", async () => {
    const { program, ask } = await started("info");
    await ask();
    program.child.kill("SIGTERM");
    await program.exited;
    const lines = linesOf(program);
    expect(lines.map(summary)).toEqual(["info request healthz", WARNING, "info request models"]);
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).toSorted((a, b) => a - b));
  });

  test("are there soon, while it goes on", async () => {
    const { program, ask } = await started("info");
    await ask();
    await expect.poll(() => linesOf(program).length, { timeout: 2000 }).toBe(3);
  });

  test("are all there, however many come at once", async () => {
    const { program } = await started("info");
    const calls = Array.from({ length: 300 }, () => plainCall(`${program.url}/healthz`));
    await Promise.all(calls);
    program.child.kill("SIGTERM");
    await program.exited;
    expect(linesOf(program).map(summary)).toEqual(calls.map(() => "info request healthz"));
  });

  test("are those of its level and above", async () => {
    const { program, ask } = await started("warn");
    await ask();
    program.child.kill("SIGTERM");
    await program.exited;
    expect(linesOf(program).map(summary)).toEqual([WARNING]);
  });
});
