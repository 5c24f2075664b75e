import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { home, LONGEST_MS } from "./command-line.ts";
import { describeWith, installedFile } from "./installed.ts";
import { KEYLANES, MODEL, PROMPT, served } from "./keylanes.ts";

const CLAUDE = "anthropic/claude-sonnet-latest";
const BASES = ["", "/api/v1"] as const;
const CASES = KEYLANES.flatMap((where) => BASES.map((base) => [where, base] as const));

describeWith("@anthropic-ai/claude-code")("Claude Code", () => {
  test.for(CASES)(
    "answers and learns the key's models, before Keylane on %s at the base URL “%s”",
    { timeout: LONGEST_MS },
    async ([where, base]) => {
      const { nano, url } = await served(where);
      nano.show(ALICE, CLAUDE);
      const { path, run } = await home();
      const program = installedFile("@anthropic-ai/claude-code/bin/claude.exe");
      const stdout = await run(program, ["--print", PROMPT], {
        ANTHROPIC_BASE_URL: url + base,
        ANTHROPIC_AUTH_TOKEN: ALICE,
        ANTHROPIC_MODEL: MODEL,
        CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY: "1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
      });
      // It adds much of its own to the prompt, and the stand-in quotes the last of it.
      expect(stdout).toMatch(/^You said “[^]*” – grüße from the stand-in 🛰️\.\n$/);
      const asked = nano.seen.filter(({ method }) => method === "POST").map(({ body }) => String(body));
      expect(asked.some((body) => body.includes(PROMPT) && body.includes('"stream":true'))).toBe(true);
      // It keeps models whose ids speak of Claude.
      const found = await readFile(join(path, ".claude/cache/gateway-models.json"), "utf8");
      expect(JSON.parse(found)).toMatchObject({ models: [{ id: CLAUDE }] });
    },
  );
});
