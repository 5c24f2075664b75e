import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { request } from "undici";
import { singleRow, type Row } from "./compare.ts";
import { spawnPinned, buildKeylane, kill, residentBytes, waitForUrl } from "./processes.ts";
import type { BenchSetup } from "./setup.ts";

const run = promisify(execFile);
const WRANGLER_SETTINGS = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** Time from the start of the built program to its first response, its memory at rest, and the size of the Worker. */
export async function starts(setup: BenchSetup): Promise<Row[]> {
  const program = await buildKeylane();
  const [times, sizes]: [number[], number[]] = [[], []];
  for (let round = 0; round < setup.scale.starts; round++) {
    const startedAt = performance.now();
    const child = spawnPinned(process.execPath, [program], { PATH: process.env["PATH"], PORT: "0" });
    setup.onCleanup(() => kill(child));
    const response = await request(`${await waitForUrl(child)}/healthz`);
    await response.body.dump();
    times.push(performance.now() - startedAt);
    await sleep(500);
    sizes.push((await residentBytes(child.pid)) / 2 ** 20);
    await kill(child);
  }
  const folder = join(setup.folder, "worker");
  await run("wrangler", ["deploy", "--dry-run", "--outdir", folder], {
    env: { ...process.env, ...WRANGLER_SETTINGS },
  });
  // The console page's files are separate from the code.
  const names = (await readdir(folder)).filter((name) => /\.(?:js|css|html)$/.test(name));
  const bytesOf = async (names: readonly string[]) =>
    gzipSync(Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))))).length;
  const [code, all] = [await bytesOf(["worker.js"]), await bytesOf(names)];
  return [
    singleRow("start of dist to first response", "keylane", "ms", times),
    singleRow("resident at rest", "keylane", "MB", sizes),
    singleRow("Worker, gzip: code", "keylane", "KiB", [code / 1024]),
    singleRow("Worker, gzip: code and console page", "keylane", "KiB", [all / 1024]),
  ];
}
