import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { parseSettings } from "../../src/config/settings.ts";
import { noopMetrics } from "../../src/observability/metrics.ts";
import { jsonLogger } from "../../src/observability/log.ts";
import { codecs } from "../../src/node/codecs.ts";
import { mapMaybePromise } from "../../src/async/maybe-promise.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { RawRequest } from "../../src/http/request-context.ts";

const LIST = { object: "list", data: [{ id: "m", object: "model", created: 1, owned_by: "x" }] };

function asking(fields: Record<string, string> = {}) {
  const headers = { Authorization: "Bearer key-of-a", "Accept-Encoding": "gzip", ...fields };
  const request = new Request("http://localhost/v1/models", { headers });
  const arrival = {
    target: "/v1/models",
    rawHeaders: () => [],
    header: (name: string) => request.headers.get(name),
    forward: () => Promise.reject(new Error("none")),
  };
  return { request, arrival };
}

describe("a stored list", () => {
  const context = { waitUntil() {}, passThroughOnException() {}, props: {} };

  function program() {
    let now = 0;
    const lines: string[] = [];
    const app = createApp(parseSettings({ MAX_AGE: "1m" }), {
      store: createMemoryStore(2 ** 20),
      fetch: async () => Response.json(LIST),
      codecs,
      console: new Map(),
      now: () => now,
      log: jsonLogger(
        "info",
        () => now,
        (line) => lines.push(line),
      ),
      metrics_: noopMetrics,
      yieldToEventLoop: async () => {},
      isDraining: () => false,
    });
    const ask = (fields?: Record<string, string>) => {
      const { request, arrival } = asking(fields);
      return app.fetch(request, arrival, context);
    };
    const fresh = (fields?: Record<string, string>, more?: Partial<RawRequest>) =>
      app.fresh({ ...asking(fields).arrival, ...more });
    return { ask, fresh, lines, wait: (ms: number) => (now += ms) };
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

  test("is given without a Request while it is fresh, to whom it belongs, as it would be with one", async () => {
    const { ask, fresh, wait } = program();
    expect(fresh()).toBeUndefined();
    await ask();
    const hit = await ask();
    const answer = fresh({ "X-Request-Id": hit.headers.get("X-Request-Id") ?? "" });
    expect(answer?.status).toBe(200);
    expect([...new Headers(answer?.headers)]).toEqual([...hit.headers]);
    expect(answer?.body).toEqual(Buffer.from(await hit.arrayBuffer()));
    expect(fresh({ "If-None-Match": answer?.headers["ETag"] ?? "" })).toMatchObject({
      status: 304,
      bytes: null,
    });

    expect(fresh({ Authorization: "Bearer key-of-b" })).toBeUndefined();
    expect(fresh({ Authorization: "Bearer" })).toBeUndefined();
    expect(fresh({ "Cache-Control": "no-store" })).toBeUndefined();
    expect(fresh({ "Accept-Encoding": "br" })).toBeUndefined();
    expect(fresh({}, { target: "/v1/models/m" })).toBeUndefined();
    wait(59_999);
    expect(fresh()?.headers).toMatchObject({ Age: "59" });
    wait(1);
    expect(fresh()).toBeUndefined();
  });

  test("is left to the usual road where its own is broken, and the fault is told", async () => {
    const { ask, fresh, lines } = program();
    await ask();
    const sent = new Map([
      ["authorization", "Bearer key-of-a"],
      ["accept-encoding", "gzip"],
    ]);
    const broken = (name: string) => {
      if (name === "if-none-match") throw new RangeError("secret");
      return sent.get(name) ?? null;
    };
    expect(fresh({}, { header: broken })).toBeUndefined();
    expect(lines.at(-1)).toContain('"msg":"unforeseen error"');
    expect(lines.join()).not.toContain("secret");
    const { length } = lines;
    expect(fresh({ Authorization: "Bearer" })).toBeUndefined();
    expect(lines).toHaveLength(length);
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
    expect(mapMaybePromise(1, (value) => value + 1)).toBe(2);
    expect(() =>
      mapMaybePromise(1, () => {
        throw new RangeError("now");
      }),
    ).toThrow(RangeError);
  });

  test("is gone on with when it comes", async () => {
    const coming = mapMaybePromise(Promise.resolve(1), (value) => value + 1);
    expect(coming).toBeInstanceOf(Promise);
    await expect(coming).resolves.toBe(2);
    await expect(mapMaybePromise(Promise.reject(new RangeError("late")), () => 0)).rejects.toThrow(
      RangeError,
    );
  });
});
