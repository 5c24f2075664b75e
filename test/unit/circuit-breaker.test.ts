import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createCircuitBreaker } from "../../src/storage/circuit-breaker.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
// Longer than anybody waits for a remote store.
const BUSY_MS = 60;

describe("a call to a remote store", () => {
  // As where hundreds of clients come at once: what a remote store has answered is read between them.
  test("is not late because this process was too busy to read its answers", async () => {
    const calls = createCircuitBreaker({ label: "store" }, Date.now, silent);
    const answer = await calls.execute("read", async () => {
      for (let way = 0; way < 3; way++) {
        await turn();
        busy(BUSY_MS);
      }
      return "here";
    });
    expect(answer).toBe("here");
    expect(calls.metrics()).toEqual({ failures: 0, shortCircuited: 0 });
  });

  test("that never ends is late, and the next ones are not made for a while", async () => {
    const calls = createCircuitBreaker({ label: "store" }, Date.now, silent);
    expect(await calls.execute("read", () => new Promise(() => {}))).toBeUndefined();
    expect(await calls.execute("read", async () => "here")).toBeUndefined();
    expect(calls.metrics()).toEqual({ failures: 1, shortCircuited: 1 });
  });
});

function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
