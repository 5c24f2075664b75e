// The log is written in order, at its level, without losing lines, and a full disk does not stop the program.
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

async function setup(level: string) {
  const program = await startProgram({
    LOG_LEVEL: level,
    UPSTREAM_URL: `http://127.0.0.1:${await freePort()}`,
  });
  return {
    program,
    sendRequests: async () => {
      await plainCall(`${program.url}/healthz`);
      await plainCall(`${program.url}/v1/models`, { fields: "Authorization: Bearer key-of-nobody" });
    },
  };
}

describe("log lines", () => {
  const WARNING = "warn model list fetch failed";

  test("are in the order in which they were logged, whether buffered or not", async () => {
    const { program, sendRequests } = await setup("info");
    await sendRequests();
    program.child.kill("SIGTERM");
    await program.exited;
    const lines = linesOf(program);
    expect(lines.map(summary)).toEqual(["info request healthz", WARNING, "info request models"]);
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).toSorted((a, b) => a - b));
  });

  test("are written while the program runs", async () => {
    const { program, sendRequests } = await setup("info");
    await sendRequests();
    await expect.poll(() => linesOf(program).length, { timeout: 2000 }).toBe(3);
  });

  test("are not lost when many are logged at once", async () => {
    const { program } = await setup("info");
    const calls = Array.from({ length: 300 }, () => plainCall(`${program.url}/healthz`));
    await Promise.all(calls);
    program.child.kill("SIGTERM");
    await program.exited;
    expect(linesOf(program).map(summary)).toEqual(calls.map(() => "info request healthz"));
  });

  test("below LOG_LEVEL are not written", async () => {
    const { program, sendRequests } = await setup("warn");
    await sendRequests();
    program.child.kill("SIGTERM");
    await program.exited;
    expect(linesOf(program).map(summary)).toEqual([WARNING]);
  });
});

const hasFullDevice = existsSync("/dev/full");
if (!hasFullDevice) console.warn("Skipped: tests of a log on a full disk, since /dev/full exists only on Linux.");

async function startOnFullDisk(): Promise<Program> {
  const file = await open("/dev/full", "w");
  onTestFinished(() => file.close());
  const program = await startProgram({ UPSTREAM_URL: "http://127.0.0.1:9" }, file.fd);
  for (let i = 0; i < 3; i++) expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
  return program;
}

describe.skipIf(!hasFullDevice && process.env["CI"] !== "true")("a program whose log cannot be written", () => {
  test("reports it once, continues, and stops on a signal", async () => {
    const program = await startOnFullDisk();
    await expect.poll(() => program.stderr(), { timeout: 2000 }).toContain("The log cannot be written (ENOSPC)");
    expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    expect(program.stderr().match(/cannot be written/g)).toHaveLength(1);
  });

  test("exits at once on a second signal", async () => {
    const program = await startOnFullDisk();
    program.child.kill("SIGTERM");
    await expect.poll(() => program.stderr()).toContain("Stopping");
    program.child.kill("SIGTERM");
    // The program may have exited by itself already, or be exiting, when the signal's handler no longer exists.
    expect([0, 143, "SIGTERM"]).toContain(await program.exited);
  });
});
