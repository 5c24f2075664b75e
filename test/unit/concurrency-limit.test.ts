// Never more work runs at a time than there are slots, and every waiter gets one in turn.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createConcurrencyLimiter, type Waiter } from "../../src/upstream/concurrency-limit.ts";

const LEASE_MS = 1000;
const never = new AbortController().signal;
/** Lets all pending promise callbacks run. */
const flush = () => new Promise((resolve) => setImmediate(resolve));

/** A limiter with a movable clock. `admitted` lists the waiters that got a slot, in order. */
function setup(slots: number) {
  let now = 0;
  const limiter = createConcurrencyLimiter(slots, () => now);
  const admitted: string[] = [];
  const releases = new Map<string, () => void>();
  return {
    admitted,
    acquire: async (name: string, signal = never, waiter: Partial<Waiter> = {}): Promise<void> => {
      const release = await limiter.acquire({ key: name, hasPriority: false, ...waiter }, signal, LEASE_MS);
      admitted.push(name);
      releases.set(name, release);
    },
    release: (name: string) => releases.get(name)?.(),
    advance: (ms: number) => void (now += ms),
  };
}

describe("a concurrency limiter", () => {
  test("gives out all slots, and queues the other waiters in order", async () => {
    const { acquire, release, admitted } = setup(2);
    for (const name of ["a", "b", "c", "d", "e"]) void acquire(name);
    await flush();
    expect(admitted).toEqual(["a", "b"]);
    release("b");
    await flush();
    expect(admitted).toEqual(["a", "b", "c"]);
    release("a");
    release("c");
    await flush();
    expect(admitted).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("frees a slot once, however often it is released", async () => {
    const { acquire, release, admitted } = setup(1);
    for (const name of ["a", "b", "c"]) void acquire(name);
    await flush();
    release("a");
    release("a");
    await flush();
    expect(admitted).toEqual(["a", "b"]);
  });

  test("reclaims a slot when its lease ends, and ignores a later release of it", async () => {
    const { acquire, release, admitted, advance } = setup(1);
    await acquire("a");
    void acquire("b");
    advance(LEASE_MS - 1);
    void acquire("c");
    await flush();
    expect(admitted).toEqual(["a"]);
    advance(1);
    void acquire("d");
    await flush();
    expect(admitted).toEqual(["a", "b"]);
    release("a");
    await flush();
    expect(admitted).toEqual(["a", "b"]);
    release("b");
    await flush();
    expect(admitted).toEqual(["a", "b", "c"]);
  });

  test("rejects an aborted waiter with the reason of its signal, and gives its turn to the next one", async () => {
    const { acquire, release, admitted } = setup(1);
    const controller = new AbortController();
    await acquire("a");
    const second = acquire("b", controller.signal);
    void acquire("c");
    controller.abort(new Error("aborted in the queue"));
    await expect(second).rejects.toThrow("aborted in the queue");
    release("a");
    await flush();
    expect(admitted).toEqual(["a", "c"]);
    await expect(acquire("d", AbortSignal.abort(new Error("aborted before")))).rejects.toThrow("aborted before");
  });

  test("ignores a signal that aborts after its waiter got a slot", async () => {
    const { acquire, release, admitted } = setup(1);
    const controller = new AbortController();
    await acquire("a");
    const second = acquire("b", controller.signal);
    void acquire("c");
    release("a");
    controller.abort();
    await second;
    await flush();
    expect(admitted).toEqual(["a", "b"]);
  });

  test("gives slots to waiters with priority first, and otherwise in order", async () => {
    const { acquire, release, admitted } = setup(1);
    await acquire("a");
    for (const name of ["b", "c"]) void acquire(name);
    for (const name of ["d", "e"]) void acquire(name, never, { hasPriority: true });
    for (const name of ["a", "d", "e", "b"]) {
      release(name);
      await flush();
    }
    expect(admitted).toEqual(["a", "d", "e", "b", "c"]);
  });

  test("gives waiters of one key a quarter of the slots, however many there are", async () => {
    const { acquire, release, admitted } = setup(8);
    const sameKey = { key: "same", hasPriority: true };
    for (const name of ["a", "b", "c"]) void acquire(name, never, sameKey);
    for (const name of ["d", "e", "f", "g", "h", "i", "j"]) void acquire(name);
    await flush();
    expect(admitted).toEqual(["a", "b", "d", "e", "f", "g", "h", "i"]);
    release("d");
    await flush();
    expect(admitted.slice(8)).toEqual(["j"]);
    release("b");
    await flush();
    expect(admitted.slice(9)).toEqual(["c"]);
  });

  test("does not examine the whole queue for each new waiter", async () => {
    let clockReads = 0;
    const limiter = createConcurrencyLimiter(8, () => {
      clockReads++;
      return 0;
    });
    for (let i = 0; i < 1000; i++) void limiter.acquire({ key: "same", hasPriority: false }, never, LEASE_MS);
    expect(clockReads).toBeLessThan(10_000);
  });

  test("never exceeds its slots and loses no waiter, in any order of acquires, releases and aborts", async () => {
    const step = fc.record({ kind: fc.constantFrom("acquire", "acquire", "release", "abort"), pick: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), async (slots, steps) => {
        const { acquire, release, admitted } = setup(slots);
        const waiting: { name: string; controller: AbortController }[] = [];
        const finished = new Set<string>();
        const order: string[] = [];
        for (const [i, { kind, pick }] of steps.entries()) {
          const holders = admitted.filter((name) => !finished.has(name));
          const queue = waiting.filter(({ name }) => !admitted.includes(name) && !finished.has(name));
          if (kind === "acquire") {
            const [name, controller] = [`${i}`, new AbortController()];
            waiting.push({ name, controller });
            order.push(name);
            acquire(name, controller.signal).catch(() => finished.add(name));
          } else if (kind === "release" && holders.length > 0) {
            const name = holders[pick % holders.length] ?? "";
            finished.add(name);
            release(name);
          } else if (kind === "abort" && queue.length > 0) queue[pick % queue.length]?.controller.abort();
          await flush();
          const slotsInUse = admitted.filter((name) => !finished.has(name)).length;
          const queued = order.filter((name) => !admitted.includes(name) && !finished.has(name)).length;
          expect(slotsInUse).toBeLessThanOrEqual(slots);
          expect(queued > 0 && slotsInUse < slots).toBe(false);
        }
        expect(admitted).toEqual(order.filter((name) => admitted.includes(name)));
      }),
      { numRuns: 60 },
    );
  });
});
