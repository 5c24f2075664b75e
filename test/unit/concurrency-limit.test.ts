import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createConcurrencyLimiter, type Waiter } from "../../src/upstream/concurrency-limit.ts";

const LEASE_MS = 1000;
const never = new AbortController().signal;
/** Lets everything that is ready go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A bulkhead with a movable clock, and a list of who got in. */
function limiter(places: number) {
  let now = 0;
  const doors = createConcurrencyLimiter(places, () => now);
  const inside: string[] = [];
  const leave = new Map<string, () => void>();
  return {
    inside,
    come: async (name: string, signal = never, waiter: Partial<Waiter> = {}): Promise<void> => {
      const go = await doors.acquire({ key: name, hasPriority: false, ...waiter }, signal, LEASE_MS);
      inside.push(name);
      leave.set(name, go);
    },
    go: (name: string) => leave.get(name)?.(),
    advance: (ms: number) => void (now += ms),
  };
}

describe("a bulkhead", () => {
  test("lets in as many as there are places, and the others in the order they came", async () => {
    const { come, go, inside } = limiter(2);
    for (const name of ["a", "b", "c", "d", "e"]) void come(name);
    await settled();
    expect(inside).toEqual(["a", "b"]);
    go("b");
    await settled();
    expect(inside).toEqual(["a", "b", "c"]);
    go("a");
    go("c");
    await settled();
    expect(inside).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("gives a place back once, however often it is left", async () => {
    const { come, go, inside } = limiter(1);
    for (const name of ["a", "b", "c"]) void come(name);
    await settled();
    go("a");
    go("a");
    await settled();
    expect(inside).toEqual(["a", "b"]);
  });

  test("takes a place back when its lease is over, and no second one when its holder leaves at last", async () => {
    const { come, go, inside, advance } = limiter(1);
    await come("a");
    void come("b");
    advance(LEASE_MS - 1);
    void come("c");
    await settled();
    expect(inside).toEqual(["a"]);
    advance(1);
    void come("d");
    await settled();
    expect(inside).toEqual(["a", "b"]);
    go("a");
    await settled();
    expect(inside).toEqual(["a", "b"]);
    go("b");
    await settled();
    expect(inside).toEqual(["a", "b", "c"]);
  });

  test("turns away who gave up, with the reason, and lets in the next one in its place", async () => {
    const { come, go, inside } = limiter(1);
    const controller = new AbortController();
    await come("a");
    const second = come("b", controller.signal);
    void come("c");
    controller.abort(new Error("tired"));
    await expect(second).rejects.toThrow("tired");
    go("a");
    await settled();
    expect(inside).toEqual(["a", "c"]);
    await expect(come("d", AbortSignal.abort(new Error("late")))).rejects.toThrow("late");
  });

  test("does not mind a signal that comes after its client got in", async () => {
    const { come, go, inside } = limiter(1);
    const controller = new AbortController();
    await come("a");
    const second = come("b", controller.signal);
    void come("c");
    go("a");
    controller.abort();
    await second;
    await settled();
    expect(inside).toEqual(["a", "b"]);
  });

  test("gives slots to waiters with priority first, and otherwise in the order of arrival", async () => {
    const { come, go, inside } = limiter(1);
    await come("a");
    for (const name of ["b", "c"]) void come(name);
    for (const name of ["d", "e"]) void come(name, never, { hasPriority: true });
    for (const name of ["a", "d", "e", "b"]) {
      go(name);
      await settled();
    }
    expect(inside).toEqual(["a", "d", "e", "b", "c"]);
  });

  test("gives waiters of one key a quarter of the slots, however many there are", async () => {
    const { come, go, inside } = limiter(8);
    const crowd = { key: "crowd", hasPriority: true };
    for (const name of ["a", "b", "c"]) void come(name, never, crowd);
    for (const name of ["d", "e", "f", "g", "h", "i", "j"]) void come(name);
    await settled();
    expect(inside).toEqual(["a", "b", "d", "e", "f", "g", "h", "i"]);
    go("d");
    await settled();
    expect(inside.slice(8)).toEqual(["j"]);
    go("b");
    await settled();
    expect(inside.slice(9)).toEqual(["c"]);
  });

  test("does not look at everyone who waits for each who comes", async () => {
    let looks = 0;
    const doors = createConcurrencyLimiter(8, () => {
      looks++;
      return 0;
    });
    for (let i = 0; i < 1000; i++) void doors.acquire({ key: "crowd", hasPriority: false }, never, LEASE_MS);
    expect(looks).toBeLessThan(10_000);
  });

  test("never gives more slots than it has, and loses no waiter, whether it acquires, releases or gives up", async () => {
    const step = fc.record({ kind: fc.constantFrom("come", "come", "go", "give up"), pick: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), async (places, steps) => {
        const { come, go, inside } = limiter(places);
        const waiting: { name: string; controller: AbortController }[] = [];
        const gone = new Set<string>();
        const order: string[] = [];
        for (const [i, { kind, pick }] of steps.entries()) {
          const stored = inside.filter((name) => !gone.has(name));
          const queue = waiting.filter(({ name }) => !inside.includes(name) && !gone.has(name));
          if (kind === "come") {
            const one = { name: `${i}`, controller: new AbortController() };
            waiting.push(one);
            order.push(one.name);
            come(one.name, one.controller.signal).catch(() => gone.add(one.name));
          } else if (kind === "go" && stored.length > 0) {
            const name = stored[pick % stored.length] ?? "";
            gone.add(name);
            go(name);
          } else if (kind === "give up" && queue.length > 0) queue[pick % queue.length]?.controller.abort();
          await settled();
          const now = inside.filter((name) => !gone.has(name)).length;
          const still = order.filter((name) => !inside.includes(name) && !gone.has(name)).length;
          expect(now).toBeLessThanOrEqual(places);
          expect(still > 0 && now < places).toBe(false);
        }
        expect(inside).toEqual(order.filter((name) => inside.includes(name)));
      }),
      { numRuns: 60 },
    );
  });
});
