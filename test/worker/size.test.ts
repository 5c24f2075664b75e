// The bundle stays small enough for a fast cold start.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";

const KIB = 1024;

test("the Worker is smaller than 40 KiB gzip, and 60 KiB with its console page", async () => {
  const script = inject("deployedWorker");
  const names = (await readdir(dirname(script))).filter((name) => /\.(?:js|css|html)$/.test(name));
  const files = await Promise.all(names.map((name) => readFile(join(dirname(script), name))));
  expect(names.length).toBeGreaterThan(10);
  expect(gzipSync(await readFile(script)).length).toBeLessThan(40 * KIB);
  expect(gzipSync(Buffer.concat(files)).length).toBeLessThan(60 * KIB);
});
