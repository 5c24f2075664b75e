// A closed Redis store does not keep the process alive.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

test("a store that is closed while Redis is down leaves no resources that keep the process alive", async () => {
  // Closed between two attempts to connect.
  const url = `redis://127.0.0.1:${await freePort()}`;
  expect(await resourcesAfter(url, "await store.firstAttempt; await sleep(500); store.close();")).toBe("");
});

describeWithRedis("a store that is closed while it connects", () => {
  test("leaves no resources that keep the process alive", async () => {
    const { url } = await startRedis();
    // Long enough for the connection to complete.
    expect(await resourcesAfter(url, "store.close(); await sleep(500);")).toBe("");
  });
});

/** The resources that keep a process alive after `work`, which uses and closes a store. */
async function resourcesAfter(url: string, work: string): Promise<string> {
  const program = `
    import { createRedisStore } from "./src/storage/redis.ts";
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const times = { tombstoneTtlMs: 1000, now: Date.now };
    const store = createRedisStore("${url}", { maxBytes: 1000, ...times });
    ${work}
    const resources = () => process.getActiveResourcesInfo().filter((kind) => kind !== "PipeWrap").join();
    await new Promise((resolve) => setImmediate(resolve));
    // A socket that is being connected closes by itself. A timer must not be left at all.
    for (let attempt = 0; attempt < 50 && resources() === "TCPSocketWrap"; attempt++) await sleep(20);
    console.log(resources());
  `;
  const args = ["--input-type=module-typescript", "-e", program];
  // If something keeps the process alive, it must not outlast the test.
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: process.cwd(),
    timeout: 10_000,
  });
  return stdout.trim();
}
