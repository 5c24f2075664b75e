import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const run = promisify(execFile);
const root = new URL("../../../", import.meta.url).pathname;

/** Vitest's global setup: bundles the Worker with wrangler, as deployed and with a movable clock. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-bundle-"));
  const [deployed, underTest] = await Promise.all([
    bundle("wrangler.toml", join(folder, "deployed"), "worker.js"),
    bundle("test/support/worker/wrangler.toml", join(folder, "under-test"), "worker-under-test.js"),
  ]);
  project.provide("deployedWorker", deployed);
  project.provide("workerUnderTest", underTest);
  return () => rm(folder, { recursive: true });
}

async function bundle(config: string, outdir: string, name: string): Promise<string> {
  await run(
    process.execPath,
    ["node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--config", config, "--outdir", outdir],
    {
      cwd: root,
      timeout: 60_000,
      env: {
        ...process.env,
        WRANGLER_SEND_METRICS: "false",
        WRANGLER_SEND_ERROR_REPORTS: "false",
        WRANGLER_HIDE_BANNER: "true",
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
      },
    },
  );
  return join(outdir, name);
}
