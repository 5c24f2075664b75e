// Codex answers through Keylane with the README's configuration.
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { createHome, TOOL_TIMEOUT_MS } from "./command-line.ts";
import { describeIfInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, PROMPT, REPLY, startOn, readmeSnippet } from "./keylanes.ts";

// Codex does not request a list from a configured provider.
describeIfInstalled("@openai/codex")("Codex", () => {
  test.for(RUNTIMES)("answers with Keylane on %s", { timeout: TOOL_TIMEOUT_MS }, async (runtime) => {
    const { url } = await startOn(runtime);
    const { run } = await createHome({ ".codex/config.toml": settings(`${url}/v1`) });
    const program = installedPath("@openai/codex/bin/codex.js");
    const args = [program, "exec", "--skip-git-repo-check", "--json", PROMPT];
    const stdout = await run(process.execPath, args, { NANOGPT_API_KEY: ALICE });
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(events).toContainEqual({
      type: "item.completed",
      item: expect.objectContaining({ type: "agent_message", text: REPLY }),
    });
  });
});

// The README's settings, without Codex's own network requests.
const settings = (base: string) =>
  `check_for_update_on_startup = false\n${readmeSnippet("toml", base)}\n[analytics]\nenabled = false\n`;
