// A stored list is served synchronously: no promise between request and response.
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { noopMetrics } from "../../src/observability/metrics.ts";
import { jsonLogger } from "../../src/observability/log.ts";
import { codecs } from "../../src/node/codecs.ts";
import { mapMaybePromise } from "../../src/async/maybe-promise.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";

const LIST = { object: "list", data: [{ id: "m", object: "model", created: 1, owned_by: "x" }] };

function listRequest(fields: Record<string, string> = {}) {
  const headers = { Authorization: "Bearer key-of-a", "Accept-Encoding": "gzip", ...fields };
  const request = new Request("http://localhost/v1/models", { headers });
  const raw = {
    target: "/v1/models",
    rawHeaders: () => [],
    header: (name: string) => request.headers.get(name),
    forward: () => Promise.reject(new Error("none")),
  };
  return { request, raw };
}

describe("a stored list", () => {
  const context = { waitUntil() {}, passThroughOnException() {}, props: {} };

  function program() {
    let now = 0;
    const app = createApp(parseSettings({ MAX_AGE: "1m" }), {
      store: createMemoryStore(2 ** 20),
      fetch: async () => Response.json(LIST),
      codecs,
      console: new Map(),
      now: () => now,
      log: jsonLogger(
        "silent",
        () => now,
        () => {},
      ),
      metrics: noopMetrics,
      yieldToEventLoop: async () => {},
      isDraining: () => false,
    });
    const ask = (fields?: Record<string, string>) => {
      const { request, raw } = listRequest(fields);
      return app.fetch(request, raw, context);
    };
    return { ask, wait: (ms: number) => (now += ms) };
  }

  test("is served synchronously, as is a 304, and a stale list before its refresh", async () => {
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

  test("is a Buffer with bytes of its own, which Node sends without a copy", async () => {
    for (const codec of codecs.values()) {
      const bytes = await codec.encode(new TextEncoder().encode("a".repeat(1000)));
      expect(bytes).toBeInstanceOf(Buffer);
      expect(bytes.length).toBe(bytes.buffer.byteLength);
    }
  });
});

describe("mapMaybePromise", () => {
  test("applies the function synchronously to a value", () => {
    expect(mapMaybePromise(1, (value) => value + 1)).toBe(2);
    expect(() =>
      mapMaybePromise(1, () => {
        throw new RangeError("now");
      }),
    ).toThrow(RangeError);
  });

  test("applies the function when a promise resolves", async () => {
    const coming = mapMaybePromise(Promise.resolve(1), (value) => value + 1);
    expect(coming).toBeInstanceOf(Promise);
    await expect(coming).resolves.toBe(2);
    await expect(mapMaybePromise(Promise.reject(new RangeError("late")), () => 0)).rejects.toThrow(RangeError);
  });
});
