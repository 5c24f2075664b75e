import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { home, LONGEST_MS } from "./command-line.ts";
import { describeWith, installedFile } from "./installed.ts";
import { KEYLANES, PROMPT, REPLY, served, snippet } from "./keylanes.ts";

// It asks a provider of its user's own for no list.
describeWith("@openai/codex")("Codex", () => {
  test.for(KEYLANES)("answers, before Keylane on %s", { timeout: LONGEST_MS }, async (where) => {
    const { url } = await served(where);
    const { run } = await home({ ".codex/config.toml": settings(`${url}/v1`) });
    const program = installedFile("@openai/codex/bin/codex.js");
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

// The README's, without what Codex asks of the network.
const settings = (base: string) =>
  `check_for_update_on_startup = false\n${snippet("toml", base)}\n[analytics]\nenabled = false\n`;
