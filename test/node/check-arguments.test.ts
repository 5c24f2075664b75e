// `keylane check` takes its key from the environment or a prompt only, and never prints it.
import { spawn, spawnSync } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";
import { keylaneWithStandIn } from "../support/isolation/command.ts";
import { run } from "../support/program.ts";
import { ALICE } from "../support/setup.ts";

describe("the command line of keylane check", () => {
  test.each([
    [["--url", "nonsense"], /^--url must be an http or https URL/],
    [["--url", "http://user:pass@127.0.0.1"], /^--url must be/],
    [["--url", `http://127.0.0.1:1/${ALICE}/v1`], /^--url must be an http or https URL without key/],
    [["--url"], /^--url must be an address/],
    [["now"], /^keylane does not know "now"\n/],
    [["--key"], /^keylane does not know "--key": /],
    [[ALICE], /^keylane does not know an argument that is not shown: .*NANOGPT_API_KEY/],
    [["--key", ALICE], /^keylane does not know "--key": /],
    [[`--key=${ALICE}`], /^keylane does not know an argument that is not shown/],
    [["00000000-0000-4000-8000-000000000000"], /^keylane does not know an argument that is not shown/],
  ])("refuses %j with 2", async (args, message) => {
    const { code, stdout, stderr } = await run(["check", ...args], { NANOGPT_API_KEY: ALICE });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/alice|0000|pass/);
  });

  test.each([
    [{}, /^NANOGPT_API_KEY is missing: set it/],
    [{ NANOGPT_API_KEY: " " }, /^NANOGPT_API_KEY is missing: set it/],
    [{ NANOGPT_API_KEY: "two words" }, /^NANOGPT_API_KEY must be a key as NanoGPT gives it: paste it again/],
  ])("wants a key in the environment: %j", async (environment, message) => {
    const { code, stdout, stderr } = await run(["check"], environment);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });

  test("asks for the key in a terminal, and does not show it", async ({ skip }) => {
    if (spawnSync("script", ["--version"]).status !== 0) {
      if (process.env["CI"] === "true") expect.fail("script(1) is missing");
      skip("script(1), which makes a terminal, is not here");
    }
    const { url } = await keylaneWithStandIn();
    const entry = new URL("../../src/node.ts", import.meta.url).pathname;
    const line = `${process.execPath} ${entry} check --json --url ${url}`;
    const { PATH } = process.env;
    const child = spawn("script", ["-qec", line, "/dev/null"], { env: { PATH, SHELL: "/bin/sh" } });
    onTestFinished(() => void child.kill("SIGKILL"));
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (!shown.includes("not shown") && (shown + text).includes("not shown")) child.stdin.write(`${ALICE}\r`);
      shown += text;
    });
    const code = await new Promise((resolve) => void child.on("close", resolve));
    expect(shown).toContain("NANOGPT_API_KEY (not shown): ");
    expect(shown).toContain('"key": "accepted"');
    expect(shown).not.toContain(ALICE);
    expect(code).toBe(0);
  });
});
