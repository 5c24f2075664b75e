import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { describe, expect, onTestFinished, test } from "vitest";
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
  const WARNING = "warn model list fetch failed";

  test("are in the order in which they were logged, from all sources", async () => {
    const { program, ask } = await started("info");
    await ask();
    program.child.kill("SIGTERM");
    await program.exited;
    const lines = linesOf(program);
    expect(lines.map(summary)).toEqual(["info request healthz", WARNING, "info request models"]);
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).toSorted((a, b) => a - b));
  });

  test("are written while the program runs", async () => {
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

const isFullHere = existsSync("/dev/full");
if (!isFullHere) console.warn("Skipped: a log on a full disk, which only Linux has as /dev/full.");

async function onFullDisk(): Promise<Program> {
  const file = await open("/dev/full", "w");
  onTestFinished(() => file.close());
  const program = await startProgram({ UPSTREAM_URL: "http://127.0.0.1:9" }, file.fd);
  for (let i = 0; i < 3; i++) expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
  return program;
}

describe.skipIf(!isFullHere && process.env["CI"] !== "true")("a program whose log cannot be written", () => {
  test("says so, continues, and stops on a signal", async () => {
    const program = await onFullDisk();
    await expect.poll(() => program.stderr(), { timeout: 2000 }).toContain("The log cannot be written (ENOSPC)");
    expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    expect(program.stderr().match(/cannot be written/g)).toHaveLength(1);
  });

  test("ends at once on a second signal", async () => {
    const program = await onFullDisk();
    program.child.kill("SIGTERM");
    await expect.poll(() => program.stderr()).toContain("Stopping");
    program.child.kill("SIGTERM");
    // It may have ended by itself meanwhile, or be exiting, where the signal finds no handler any more.
    expect([0, 143, "SIGTERM"]).toContain(await program.exited);
  });
});
