import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { endGroup, home, LONGEST_MS } from "./command-line.ts";
import { describeWith, installedFile } from "./installed.ts";
import { KEYLANES, MODEL, PROMPT, REPLY, served } from "./keylanes.ts";

describeWith("@cline/cli-linux-x64")("Cline", () => {
  test.for(KEYLANES)("answers, before Keylane on %s", { timeout: LONGEST_MS }, async (where) => {
    const { nano, url } = await served(where);
    const { path, run } = await home();
    onTestFinished(() => endHub(path), 15_000);
    const cline = (...args: string[]) =>
      run(installedFile("@cline/cli-linux-x64/bin/cline"), args, { CLINE_NO_AUTO_UPDATE: "1" });
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

// It starts a program that stays, and writes down which, a little later than it answers.
async function endHub(path: string): Promise<void> {
  const record = join(path, ".cline/data/locks/hub/production.json");
  for (let waits = 0; waits < 100; waits++) {
    const text = await readFile(record, "utf8").catch(() => "");
    const pid = /"pid": (\d+)/.exec(text)?.[1];
    if (pid !== undefined) return endGroup(Number(pid));
    await sleep(100);
  }
  throw new Error("Cline's hub cannot be ended: it has not written down its process");
}
