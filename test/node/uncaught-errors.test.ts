// An uncaught error is logged without its message and affects no other call; an exception also stops the program.
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { responseTo, startCall, plainCall, readAnswer } from "../support/plain-call.ts";
import { startProgram } from "../support/program.ts";
import { POLL } from "../support/stale-setup.ts";

const PRELOAD = new URL("../support/uncaught-error.ts", import.meta.url).href;

async function setup(environment: Record<string, string> = {}) {
  const nano = await startNanoGpt();
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    NODE_OPTIONS: `--import ${PRELOAD}`,
    ...environment,
  });
  const stream = await responseTo(startCall(`${program.url}/v1/slow-bytes?n=20&ms=20`));
  await once(stream, "data");
  return { program, stream };
}

describe("an uncaught error", () => {
  test("in a promise is logged without its message, and affects no other call", async () => {
    const { program, stream } = await setup();
    program.child.kill("SIGUSR2");
    await expect.poll(() => program.stdout(), POLL).toContain('"msg":"unhandled rejection"');
    expect((await readAnswer(stream)).isComplete).toBe(true);
    expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
    const lines = program.stdout().split("\n");
    const line = lines.find((text) => text.includes("unhandled"));
    expect(JSON.parse(line ?? "")).toMatchObject({ level: "error", error: "TypeError" });
    expect(program.stdout() + program.stderr()).not.toContain("hush");
  });

  test("as an exception is logged, and stops the program once its streams have ended", async () => {
    const { program, stream } = await setup();
    program.child.kill("SIGWINCH");
    expect((await readAnswer(stream)).isComplete).toBe(true);
    expect(await program.exited).toBe(1);
    expect(program.stdout()).toContain('"msg":"uncaught exception"');
    expect(program.stdout() + program.stderr()).not.toContain("hush");
  });

  test.for(["SIGUSR2", "SIGWINCH"] as const)(
    "is reported on standard error at LOG_LEVEL=silent: %s",
    async (signal) => {
      const { program } = await setup({ LOG_LEVEL: "silent" });
      program.child.kill(signal);
      await expect
        .poll(() => program.stderr(), POLL)
        .toMatch(/^un(?:handled rejection|caught exception) \(\w+Error\) at .+$/m);
      expect(program.stdout()).toBe("");
    },
  );
});
