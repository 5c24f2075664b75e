// Cline's command line answers through Keylane.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { createHome, endGroup, TOOL_TIMEOUT_MS } from "./command-line.ts";
import { describeIfInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn } from "./keylanes.ts";

describeIfInstalled("@cline/cli-linux-x64")("Cline", () => {
  test.for(RUNTIMES)("answers with Keylane on %s", { timeout: TOOL_TIMEOUT_MS }, async (runtime) => {
    const { nano, url } = await startOn(runtime);
    const { path, run } = await createHome();
    onTestFinished(() => endHub(path), 15_000);
    const cline = (...args: string[]) =>
      run(installedPath("@cline/cli-linux-x64/bin/cline"), args, { CLINE_NO_AUTO_UPDATE: "1" });
    const provider = ["--provider", "openai-compatible"];
    await cline("auth", ...provider, "-k", ALICE, "-m", MODEL, "-b", `${url}/v1`);
    const stdout = await cline(...provider, "--model", MODEL, "--json", PROMPT);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "run_result", finishReason: "completed", text: REPLY }),
    );
    const chats = nano.seen.filter(({ method }) => method === "POST");
    expect(chats.map(({ body }) => JSON.parse(String(body)).stream)).toEqual([true]);
  });
});

// Cline leaves a process running, and writes its id to a file shortly after it has answered.
async function endHub(path: string): Promise<void> {
  const record = join(path, ".cline/data/locks/hub/production.json");
  for (let waits = 0; waits < 100; waits++) {
    const text = await readFile(record, "utf8").catch(() => "");
    const pid = /"pid": (\d+)/.exec(text)?.[1];
    if (pid !== undefined) return endGroup(Number(pid));
    await sleep(100);
  }
  throw new Error("Cline's hub cannot be ended: there is no file with its process id");
}
