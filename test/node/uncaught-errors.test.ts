import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { responseTo, startCall, plainCall, readAnswer } from "../support/plain-call.ts";
import { startProgram } from "../support/program.ts";
import { POLL } from "../support/stale-setup.ts";

const PRELOAD = new URL("../support/uncaught-error.ts", import.meta.url).href;

async function started(environment: Record<string, string> = {}) {
  const nano = await startNanoGpt();
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    NODE_OPTIONS: `--import ${PRELOAD}`,
    ...environment,
  });
  const streamed = await responseTo(startCall(`${program.url}/v1/slow-bytes?n=20&ms=20`));
  await once(streamed, "data");
  return { program, streamed };
}

describe("a fault that nothing has caught", () => {
  test("in a promise is heard, costs no other call anything, and shows no message", async () => {
    const { program, streamed } = await started();
    program.child.kill("SIGUSR2");
    await expect.poll(() => program.stdout(), POLL).toContain('"msg":"unhandled rejection"');
    expect((await readAnswer(streamed)).isComplete).toBe(true);
    expect((await plainCall(`${program.url}/healthz`)).status).toBe(200);
    const line = program
      .stdout()
      .split("\n")
      .find((one) => one.includes("unhandled"));
    expect(JSON.parse(line ?? "")).toMatchObject({ level: "error", error: "TypeError" });
    expect(program.stdout() + program.stderr()).not.toContain("hush");
  });

  test("as an exception is heard, and ends the program once its streams are whole", async () => {
    const { program, streamed } = await started();
    program.child.kill("SIGWINCH");
    expect((await readAnswer(streamed)).isComplete).toBe(true);
    expect(await program.exited).toBe(1);
    expect(program.stdout()).toContain('"msg":"uncaught exception"');
    expect(program.stdout() + program.stderr()).not.toContain("hush");
  });

  test.for(["SIGUSR2", "SIGWINCH"] as const)("is heard at LOG_LEVEL=silent too: %s", async (signal) => {
    const { program } = await started({ LOG_LEVEL: "silent" });
    program.child.kill(signal);
    await expect
      .poll(() => program.stderr(), POLL)
      .toMatch(/^un(?:handled rejection|caught exception) \(\w+Error\) at .+$/m);
    expect(program.stdout()).toBe("");
  });
});
