// `/metrics` gives Prometheus the metrics of requests, list fetches, refreshes, streams and stores, and only on Node.
import { describe, expect, test } from "vitest";
import { metricValue, samplesOf } from "../support/metrics-text.ts";
import type { Fault } from "../support/nanogpt/nanogpt.ts";
import { startCall } from "../support/plain-call.ts";
import { describeWithRedis } from "../support/redis.ts";
import { RECONNECT_POLL, redisSetup } from "../support/redis-setup.ts";
import { ALICE, BOB, setup, type Setup } from "../support/setup.ts";
import { POLL } from "../support/stale-setup.ts";

const PATH = "/metrics";
const PREFLIGHT = { origin: "https://page.example", "access-control-request-method": "GET" };
const metricsPage = async ({ call }: Setup): Promise<string> => (await call(PATH)).text;
const fetches = async (all: Setup, outcome: string) =>
  metricValue(await metricsPage(all), "keylane_upstream_seconds_count", { outcome });

describe("/metrics", () => {
  test("is a Prometheus page that needs no key and that pages of other origins cannot read", async () => {
    const { call } = await setup();
    const answer = await call(PATH, { headers: { origin: "https://page.example" } });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(Object.keys(answer.headers).filter((name) => /^(?:access-control|vary)/.test(name))).toEqual([]);
    const head = await call(`${PATH}?x=1`, { method: "HEAD" });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    const names = new Set(samplesOf(answer.text).map(({ name }) => name));
    expect([...names]).toEqual(expect.arrayContaining(["process_cpu_seconds_total", "keylane_build_info"]));
  });

  test.for(["//metrics", "/metrics/", "/%6detrics", "/METRICS", "/detailed/metrics", "/metrics//"])(
    "has no other spelling, which a reverse proxy's rule would miss: %s",
    async (path) => {
      const { call } = await setup();
      const answer = await call(path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toContain("keylane_");
    },
  );

  test("answers other methods with 405", async () => {
    const { call, nano } = await setup();
    for (const method of ["POST", "PUT", "DELETE", "PURGE"]) {
      const { status, headers } = await call(PATH, { method });
      expect([status, headers["allow"]]).toEqual([405, "GET, HEAD, OPTIONS"]);
    }
    const { status, headers } = await call(PATH, { method: "OPTIONS", headers: PREFLIGHT });
    expect([status, headers["access-control-allow-origin"]]).toEqual([204, undefined]);
    expect(nano.seen).toEqual([]);
  });

  test("is an unknown path with METRICS=false", async () => {
    const { call, nano } = await setup({ METRICS: "false" });
    for (const method of ["GET", "POST"]) {
      const { "x-request-id": _, date: __, ...unknown } = (await call("/unknown", { method })).headers;
      const answer = await call(PATH, { method });
      expect([answer.status, answer.json().error.code]).toEqual([404, "not_found"]);
      expect(answer.headers).toMatchObject(unknown);
    }
    expect((await call(PATH, { method: "OPTIONS", headers: PREFLIGHT })).status).toBe(204);
    expect(nano.seen).toEqual([]);
  });
});

describe("the metrics of", () => {
  test("requests equal the lines of the access log", async () => {
    const all = await setup();
    await all.list(ALICE);
    await all.list(ALICE);
    await all.list(BOB, { headers: { "cache-control": "only-if-cached" } });
    await all.list("sk-nano-nobody");
    await all.list(ALICE, { path: "/v1/models/openai/gpt-4-turbo" });
    await all.list(ALICE, { method: "DELETE" });
    await all.call("/v1/echo");
    await all.call("/nowhere");
    const samples = samplesOf(await metricsPage(all)).filter(({ name }) => name === "keylane_requests_total");
    const counted = samples.flatMap(({ labels, value }) =>
      Array.from({ length: value }, () => `${labels["route"]} ${labels["status"]} ${labels["cache"]}`),
    );
    const lines = (await all.keylane.log()).map((line) => JSON.parse(line) as Record<string, string>);
    const logged = lines
      .filter(({ msg, route }) => msg === "request" && route !== "metrics")
      .map(({ route, status, cache = "none" }) => `${route} ${status} ${cache}`);
    expect(logged).toHaveLength(8);
    expect(counted.sort()).toEqual(logged.sort());
  });

  test.for<readonly [outcome: string, fault: Fault]>([
    ["rate_limited", { kind: "rate-limited" }],
    ["rate_limited", { kind: "status", status: 408 }],
    ["rejected", { kind: "status", status: 404 }],
    ["unauthorized", { kind: "status", status: 401 }],
    ["error", { kind: "status", status: 503 }],
    ["error", { kind: "status", status: 500 }],
    ["unreachable", { kind: "reset-before-headers" }],
    ["timeout", { kind: "hang-before-headers" }],
    ["invalid", { kind: "html" }],
    ["invalid", { kind: "redirect" }],
    ["rate_limited", { kind: "status", status: 429, body: '{"code":"upstream_timeout","message":"m"}' }],
  ])("list fetches count %s for %o", async ([outcome, fault]) => {
    const all = await setup({ LIST_TIMEOUT: "300ms" });
    all.nano.fail(fault, { times: 1 });
    await all.list(ALICE);
    await all.list(BOB);
    expect(await fetches(all, outcome)).toBe(1);
    expect(await fetches(all, "good")).toBe(1);
    expect(metricValue(await metricsPage(all), "keylane_upstream_seconds_count")).toBe(2);
  });

  test("list fetches give their duration, and count those not attempted separately", async () => {
    const all = await setup({ LIST_TIMEOUT: "500ms" });
    const gate = all.nano.hold({ path: "/v1", times: 20 });
    const answers = Promise.all(Array.from({ length: 20 }, (_, i) => all.list(`sk-nano-test-${i}`)));
    await gate.arrived;
    await answers;
    gate.release();
    const page = await metricsPage(all);
    expect(metricValue(page, "keylane_upstream_seconds_sum", { outcome: "timeout" })).toBeGreaterThan(7);
    expect(await fetches(all, "timeout")).toBe(16);
    expect(metricValue(page, "keylane_upstream_not_attempted_total")).toBe(4);
  });

  test("the store and of refreshes are current", async () => {
    const all = await setup({ MEMORY_MAX_SIZE: "1MB" });
    expect(metricValue(await metricsPage(all), "keylane_stored_lists")).toBe(0);
    await all.list(ALICE);
    await all.list(BOB);
    const page = await metricsPage(all);
    expect(metricValue(page, "keylane_stored_lists")).toBe(2);
    expect(metricValue(page, "keylane_stored_bytes")).toBeGreaterThan(2048);
    expect(metricValue(page, "keylane_stored_max_bytes")).toBe(2 ** 20);
    for (let i = 0; i < 12; i++) await all.list(BOB, { path: `/v1/models?part=${i}` });
    expect(metricValue(await metricsPage(all), "keylane_evictions_total")).toBe(5);
    await all.list(BOB, { method: "DELETE" });
    expect(metricValue(await metricsPage(all), "keylane_stored_lists")).toBe(1);

    await all.keylane.advance(100_000);
    await all.list(ALICE);
    const refreshes = async (outcome: string) =>
      metricValue(await metricsPage(all), "keylane_refreshes_total", { outcome });
    await expect.poll(() => refreshes("upstream"), POLL).toBe(1);
    all.nano.fail({ kind: "status", status: 500 });
    await all.keylane.advance(100_000);
    await all.list(ALICE);
    await expect.poll(() => refreshes("failed"), POLL).toBe(1);
  });

  test("open streams go up and down with passthrough calls", async () => {
    const all = await setup();
    const openStreams = async () => metricValue(await metricsPage(all), "keylane_open_streams");
    const gate = all.nano.hold({ path: "/v1/echo" });
    const answer = all.call("/v1/echo");
    await gate.arrived;
    expect(await openStreams()).toBe(1);
    gate.release();
    await answer;
    await expect.poll(openStreams, POLL).toBe(0);
    const { arrived } = all.nano.hold({ path: "/v1/echo" });
    const client = startCall(`${all.keylane.url}/v1/echo`);
    await arrived;
    client.destroy();
    await expect.poll(openStreams, POLL).toBe(0);
    expect(metricValue(await metricsPage(all), "keylane_requests_total", { status: "499" })).toBe(1);
  });
});

describeWithRedis("the metrics of a shared store", { timeout: 40_000 }, () => {
  test("exist only with Redis, and are current", async () => {
    expect(await metricsPage(await setup())).not.toContain("keylane_shared_");
    const { redis, start, share } = await redisSetup();
    const [one, other] = [await start(), await start()];
    const shared = async (name: string, labels = {}) => {
      const answer = await fetch(`${other.keylane.url}${PATH}`);
      return metricValue(await answer.text(), `keylane_shared_${name}_total`, labels);
    };
    await share(one, other, ALICE);
    expect(await shared("reads", { outcome: "hit" })).toBeGreaterThan(0);
    const before = await shared("failures");
    await redis.stop();
    await other.list(BOB);
    await expect.poll(() => shared("failures"), RECONNECT_POLL).toBeGreaterThan(before);
    expect(await shared("reads", { outcome: "miss" })).toBeGreaterThan(0);
  });
});
