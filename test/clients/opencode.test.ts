import { expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { home, LONGEST_MS } from "./command-line.ts";
import { describeWith, installedFile } from "./installed.ts";
import { KEYLANES, PROMPT, served, snippet } from "./keylanes.ts";

// Its models stand in its own settings; it asks nobody for a list.
describeWith("opencode-linux-x64")("opencode", () => {
  test.for(KEYLANES)("answers, before Keylane on %s", { timeout: LONGEST_MS }, async (where) => {
    const { nano, url } = await served(where);
    const { run } = await home({ "work/opencode.json": settings(`${url}/v1`) });
    const stdout = await run(installedFile("opencode-linux-x64/bin/opencode"), ["run", PROMPT], {
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

// The README's, without what opencode asks of the network.
const settings = (base: string) => {
  const received = JSON.parse(snippet("json", base)) as { model: string };
  return JSON.stringify({ ...received, small_model: received.model, autoupdate: false, share: "disabled" });
};
