import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

test("a store that is closed while Redis is down leaves nothing that keeps a program alive", async () => {
  // Long enough to be between two attempts.
  const url = `redis://127.0.0.1:${await freePort()}`;
  expect(await leftBy(url, "await store.firstAttempt; await after(500); store.close();")).toBe("");
});

describeWithRedis("a store that is closed while it connects", () => {
  test("leaves nothing that keeps a program alive either", async () => {
    const { url } = await startRedis();
    // Long enough for the connection to be there after all.
    expect(await leftBy(url, "store.close(); await after(500);")).toBe("");
  });
});

/** The resources that keep a program alive after it has closed its store. */
async function leftBy(url: string, work: string): Promise<string> {
  const program = `
    import { createRedisStore } from "./src/storage/redis.ts";
    const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const times = { tombstoneTtlMs: 1000, now: Date.now };
    const store = createRedisStore("${url}", { maxBytes: 1000, ...times });
    ${work}
    const left = () => process.getActiveResourcesInfo().filter((kind) => kind !== "PipeWrap").join();
    await new Promise((resolve) => setImmediate(resolve));
    // A socket that was just being connected goes by itself. Of a timer nothing may be left at all.
    for (let turn = 0; turn < 50 && left() === "TCPSocketWrap"; turn++) await after(20);
    console.log(left());
  `;
  const args = ["--input-type=module-typescript", "-e", program];
  // One that something keeps alive would outlast the test.
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: process.cwd(),
    timeout: 10_000,
  });
  return stdout.trim();
}
