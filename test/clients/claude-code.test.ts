// Claude Code answers through Keylane and discovers the key's models.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { createHome, TOOL_TIMEOUT_MS } from "./command-line.ts";
import { describeIfInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, startOn } from "./keylanes.ts";

const CLAUDE = "anthropic/claude-sonnet-latest";
const BASES = ["", "/api/v1"] as const;
const CASES = RUNTIMES.flatMap((runtime) => BASES.map((base) => [runtime, base] as const));

describeIfInstalled("@anthropic-ai/claude-code")("Claude Code", () => {
  test.for(CASES)(
    "answers and learns the key's models, with Keylane on %s at the base URL “%s”",
    { timeout: TOOL_TIMEOUT_MS },
    async ([runtime, base]) => {
      const { nano, url } = await startOn(runtime);
      nano.show(ALICE, CLAUDE);
      const { path, run } = await createHome();
      const program = installedPath("@anthropic-ai/claude-code/bin/claude.exe");
      const stdout = await run(program, ["--print", PROMPT], {
        ANTHROPIC_BASE_URL: url + base,
        ANTHROPIC_AUTH_TOKEN: ALICE,
        ANTHROPIC_MODEL: MODEL,
        CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY: "1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
      });
      // Claude Code adds text after the prompt, which the stand-in quotes.
      expect(stdout).toMatch(/^You said “[^]*” – grüße from the stand-in 🛰️\.\n$/);
      const requests = nano.seen.filter(({ method }) => method === "POST").map(({ body }) => String(body));
      expect(requests.some((body) => body.includes(PROMPT) && body.includes('"stream":true'))).toBe(true);
      // It keeps only models with Claude in their ids.
      const cached = await readFile(join(path, ".claude/cache/gateway-models.json"), "utf8");
      expect(JSON.parse(cached)).toMatchObject({ models: [{ id: CLAUDE }] });
    },
  );
});
