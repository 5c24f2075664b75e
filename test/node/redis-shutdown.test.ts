import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { describeWithRedis, startRedis } from "../support/redis.ts";

test("a vault that is let go of while Redis is away leaves nothing that keeps a program alive", async () => {
  // Long enough to be between two attempts.
  const url = `redis://127.0.0.1:${await freePort()}`;
  expect(await leftBy(url, "await vault.tried; await after(500); vault.close();")).toBe("");
});

describeWithRedis("a vault that is let go of while it connects", () => {
  test("leaves nothing that keeps a program alive either", async () => {
    const { url } = await startRedis();
    // Long enough for the connection to be there after all.
    expect(await leftBy(url, "vault.close(); await after(500);")).toBe("");
  });
});

/** What a program is still waiting for that has let go of its vault. */
async function leftBy(url: string, work: string): Promise<string> {
  const program = `
    import { redisVault } from "./src/stores/redis.ts";
    const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const times = { markMs: 1000, now: Date.now };
    const vault = redisVault("${url}", { maxBytes: 1000, ...times });
    ${work}
    const left = () => process.getActiveResourcesInfo().filter((kind) => kind !== "PipeWrap").join();
    await new Promise((resolve) => setImmediate(resolve));
    // A socket that was just being connected goes by itself. Of a timer nothing may be left at all.
    for (let turn = 0; turn < 50 && left() === "TCPSocketWrap"; turn++) await after(20);
    console.log(left());
  `;
  const words = ["--input-type=module-typescript", "-e", program];
  // One that something keeps alive would outlast the test.
  const { stdout } = await promisify(execFile)(process.execPath, words, {
    cwd: process.cwd(),
    timeout: 10_000,
  });
  return stdout.trim();
}
