import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import type { Fault } from "../support/nanogpt/nanogpt.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { begun, plainCall } from "../support/plain-call.ts";
import { startProgram } from "../support/program.ts";

const PRELOAD = pathToFileURL(new URL("../support/snapshots.ts", import.meta.url).pathname).href;

// Made here and at run time, so that they are in the program's memory only because they were used.
const MARK = `canary-${randomBytes(8).toString("hex")}`;
const keys = (kind: string) => Array.from({ length: 20 }, (_, index) => `${MARK}-${kind}-${index}`);
const MARKED = new RegExp(`${MARK}-[a-z0-9]+-\\d+`, "g");

const quoting = (key: string) =>
  JSON.stringify({ error: { message: `No ${key}. ${"x".repeat(2000)}`, code: key } });

/** Ways for a list fetch to fail, and the answer to the caller. */
const FAILURES: readonly { kind: string; fault?: (key: string) => Fault; status: number }[] = [
  { kind: "unknown", status: 401 },
  { kind: "quoted", fault: (key) => ({ kind: "status", status: 401, body: quoting(key) }), status: 401 },
  { kind: "rejected", fault: (key) => ({ kind: "status", status: 403, body: quoting(key) }), status: 403 },
  { kind: "limited", fault: () => ({ kind: "rate-limited" }), status: 429 },
  { kind: "broken", fault: () => ({ kind: "status", status: 500 }), status: 502 },
  { kind: "unparsed", fault: () => ({ kind: "bad-json" }), status: 502 },
  { kind: "reset", fault: () => ({ kind: "reset-before-headers" }), status: 502 },
  { kind: "late", fault: () => ({ kind: "hang-before-headers" }), status: 504 },
];

async function started() {
  const folder = await mkdtemp(join(tmpdir(), "keylane-heap-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "all.heapsnapshot");
  const nano = await startNanoGpt({ accounts: keys("good").map((key) => ({ key })) });
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    NODE_OPTIONS: `--import ${PRELOAD}`,
    SNAPSHOT_FILE: file,
    LIST_TIMEOUT: "150ms",
    // All that is remembered is still remembered when memory is searched.
    REFUSAL_MAX_AGE: "1h",
  });
  return {
    nano,
    program,
    /** A connection of its own for each call: an open one holds on to its last request. */
    ask: (key: string, path = "/v1/models") =>
      plainCall(program.url + path, { fields: `Authorization: Bearer ${key}\nConnection: close` }),
    /** Every key that the program can reach, each once. */
    reachable: async () => {
      program.child.kill("SIGUSR2");
      await expect.poll(() => existsSync(file), { timeout: 15_000, interval: 50 }).toBe(true);
      return [...new Set((await readFile(file, "latin1")).match(MARKED))].sort();
    },
  };
}

test("no key is kept in memory once its calls are over, whether they were good or failed", async () => {
  const { nano, program, ask, reachable } = await started();
  for (const key of keys("good")) {
    expect((await ask(key)).status).toBe(200);
    expect((await ask(key, "/v1/echo")).status).toBe(200);
  }
  for (const { kind, fault, status } of FAILURES) {
    for (const key of keys(kind)) {
      if (fault !== undefined) nano.fail(fault(key), { times: 1, key });
      expect((await ask(key)).status, kind).toBe(status);
    }
  }
  // One that is in use shows that the search finds what is there.
  const inUse = `${MARK}-used-1`;
  const hold = nano.hold({ path: "/v1/echo" });
  begun(`${program.url}/v1/echo`, { fields: `Authorization: Bearer ${inUse}` });
  await hold.arrived;
  expect(await reachable()).toEqual([inUse]);
}, 60_000);
