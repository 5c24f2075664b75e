import { describe, expect, test } from "vitest";
import { keylane } from "../../src/app.ts";
import { settings } from "../../src/config.ts";
import { unobserved } from "../../src/figures.ts";
import { lineLog } from "../../src/log.ts";
import { codecs } from "../../src/node/codecs.ts";
import { after } from "../../src/soon.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const LIST = { object: "list", data: [{ id: "m", object: "model", created: 1, owned_by: "x" }] };

describe("a stored list", () => {
  const context = { waitUntil() {}, passThroughOnException() {}, props: {} };

  function program() {
    let now = 0;
    const app = keylane(settings({ MAX_AGE: "1m" }), {
      store: memoryStore(2 ** 20),
      fetch: async () => Response.json(LIST),
      codecs,
      console: new Map(),
      now: () => now,
      log: lineLog("silent", Date.now, () => {}),
      observe: unobserved,
      nextTurn: async () => {},
      isDraining: () => false,
    });
    const ask = (fields: Record<string, string> = {}) => {
      const headers = { Authorization: "Bearer key-of-a", "Accept-Encoding": "gzip", ...fields };
      const request = new Request("http://localhost/v1/models", { headers });
      const arrival = {
        target: "/v1/models",
        lines: () => [],
        field: (name: string) => request.headers.get(name),
        carry: () => Promise.reject(new Error("none")),
      };
      return app.fetch(request, arrival, context);
    };
    return { ask, wait: (ms: number) => (now += ms) };
  }

  test("is answered in the turn in which it is asked for, as is a 304, and a stale one before its refresh", async () => {
    const { ask, wait } = program();
    const first = ask();
    expect(first).toBeInstanceOf(Promise);
    const etag = (await first).headers.get("ETag") ?? "";

    const hit = ask();
    expect(hit).toBeInstanceOf(Response);
    expect((await hit).headers.get("Cache-Status")).toContain("hit");
    const notModified = ask({ "If-None-Match": etag });
    expect(notModified).toBeInstanceOf(Response);
    expect((await notModified).status).toBe(304);
    wait(61_000);
    const stale = ask();
    expect(stale).toBeInstanceOf(Response);
    expect((await stale).headers.get("Cache-Status")).toContain("detail=refreshing");
  });

  test("is Node's to send as it is: a Buffer with bytes of its own", async () => {
    for (const codec of codecs.values()) {
      const bytes = await codec.encode(new TextEncoder().encode("a".repeat(1000)));
      expect(bytes).toBeInstanceOf(Buffer);
      expect(bytes.length).toBe(bytes.buffer.byteLength);
    }
  });
});

describe("what is here already, or comes", () => {
  test("is gone on with at once where it is here", () => {
    expect(after(1, (value) => value + 1)).toBe(2);
    expect(() =>
      after(1, () => {
        throw new RangeError("now");
      }),
    ).toThrow(RangeError);
  });

  test("is gone on with when it comes", async () => {
    const coming = after(Promise.resolve(1), (value) => value + 1);
    expect(coming).toBeInstanceOf(Promise);
    await expect(coming).resolves.toBe(2);
    await expect(after(Promise.reject(new RangeError("late")), () => 0)).rejects.toThrow(RangeError);
  });
});
