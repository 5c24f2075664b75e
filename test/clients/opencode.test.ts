// opencode answers through Keylane with the README's configuration.
import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { createHome, TOOL_TIMEOUT_MS } from "./command-line.ts";
import { describeIfInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, PROMPT, startOn, readmeSnippet } from "./keylanes.ts";

// Its models are in its settings; it requests no list.
describeIfInstalled("opencode-linux-x64")("opencode", () => {
  test.for(RUNTIMES)("answers with Keylane on %s", { timeout: TOOL_TIMEOUT_MS }, async (runtime) => {
    const { nano, url } = await startOn(runtime);
    const { run } = await createHome({ "work/opencode.json": settings(`${url}/v1`) });
    const stdout = await run(installedPath("opencode-linux-x64/bin/opencode"), ["run", PROMPT], {
      NANOGPT_API_KEY: ALICE,
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
    });
    expect(stdout).toContain(`You said “"${PROMPT}"” – grüße from the stand-in 🛰️.`);
    expect(nano.seen.every(({ body }) => JSON.parse(String(body)).stream === true)).toBe(true);
  });
});

// The README's settings, without opencode's own network requests.
const settings = (base: string) => {
  const example = JSON.parse(readmeSnippet("json", base)) as { model: string };
  return JSON.stringify({ ...example, small_model: example.model, autoupdate: false, share: "disabled" });
};
