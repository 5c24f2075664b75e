// A call to a remote store has a short timeout that a busy process does not use up.
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createCircuitBreaker } from "../../src/storage/circuit-breaker.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
// Longer than the timeout of a call.
const BUSY_MS = 60;

describe("a call to a remote store", () => {
  // As with hundreds of requests at once: replies of the remote store are read between them.
  test("does not time out because the process was too busy to read the reply", async () => {
    const breaker = createCircuitBreaker({ label: "store" }, Date.now, silent);
    const reply = await breaker.execute("read", async () => {
      for (let turn = 0; turn < 3; turn++) {
        await nextTurn();
        blockEventLoop(BUSY_MS);
      }
      return "reply";
    });
    expect(reply).toBe("reply");
    expect(breaker.metrics()).toEqual({ failures: 0, shortCircuited: 0 });
  });

  test("that never ends times out, and the next calls are not made for a while", async () => {
    const breaker = createCircuitBreaker({ label: "store" }, Date.now, silent);
    expect(await breaker.execute("read", () => new Promise(() => {}))).toBeUndefined();
    expect(await breaker.execute("read", async () => "reply")).toBeUndefined();
    expect(breaker.metrics()).toEqual({ failures: 1, shortCircuited: 1 });
  });
});

function blockEventLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
