// With an Analytics Engine dataset bound, a Worker writes data points that name no key; it has no /metrics.
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createCanary } from "../support/key-search.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { plainCall } from "../support/plain-call.ts";
import { startWorkerd } from "../support/worker/workerd.ts";
import {
  LIST_REQUESTS,
  PASSTHROUGH_REQUESTS,
  REFUSED_REQUESTS,
  sendRaw,
  serializeRequest,
} from "../support/key-carrying-requests.ts";

interface DataPoint {
  readonly indexes: readonly string[];
  readonly blobs: readonly string[];
  readonly doubles: readonly number[];
}

const withBinding = (binding: string) => `import keylane from "keylane";
const FIGURES = ${binding};
export default { fetch: (request, bindings, context) => keylane.fetch(request, { ...bindings, FIGURES }, context) };`;
const FAILING_DATASET = withBinding('{ writeDataPoint() { throw new Error("too many points"); } }');
const NOT_A_DATASET = withBinding('"a text"');

/** Receives data points from workerd: one HTTP request for each, strings as bytes, missing fields empty or 0. */
async function startDataset() {
  const points: DataPoint[] = [];
  const raw: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((json) => {
      const fields = JSON.parse(json) as Record<string, unknown>;
      const twenty = Array.from({ length: 20 }, (_, i) => i + 1);
      const strings = (names: string[]) =>
        names.map((name) => Buffer.from((fields[name] ?? []) as number[]).toString());
      const blobs = strings(twenty.map((i) => `blob${i}`));
      const doubles = twenty.map((i) => Number(fields[`double${i}`] ?? 0));
      points.push({
        indexes: strings(["index1"]),
        blobs: blobs.slice(0, blobs.findLastIndex((blob) => blob !== "") + 1),
        doubles: doubles.slice(0, 2),
      });
      raw.push(json, ...blobs);
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close().closeAllConnections();
  });
  const { port } = server.address() as { port: number };
  return { address: `127.0.0.1:${port}`, points, raw };
}

async function setup(entry?: string) {
  const canary = createCanary();
  const nano = await startNanoGpt({ accounts: [{ key: canary.key, visible: ["openai/gpt-4-turbo"] }] });
  const settings = { UPSTREAM_URL: nano.url, LOG_LEVEL: "silent", MAX_AGE: "1s", LIST_TIMEOUT: "400ms" };
  const { address, points, raw } = await startDataset();
  const services = entry === "unbound" ? {} : { entry, dataset: address };
  const workerd = await startWorkerd(inject("deployedWorker"), settings, services);
  onTestFinished(async () => {
    await workerd.stop();
    await nano.stop();
  });
  const output = () => workerd.output.join("");
  return {
    ...canary,
    nano,
    url: workerd.url,
    output,
    list: (fields = "") =>
      plainCall(`${workerd.url}/v1/models`, { fields: `Authorization: Bearer ${canary.key}\n${fields}` }),
    points,
    raw,
  };
}

describe("a Worker with a dataset bound as FIGURES", () => {
  test("writes a point for each request, list fetch and refresh", async () => {
    const { nano, url, list, points } = await setup();
    await list();
    await list();
    await plainCall(`${url}/v1/echo`);
    const ms = expect.any(Number) as number;
    const first = [
      { indexes: ["fetch"], blobs: ["good"], doubles: [ms, 0] },
      { indexes: ["request"], blobs: ["models", "miss"], doubles: [ms, 200] },
      { indexes: ["request"], blobs: ["models", "hit"], doubles: [ms, 200] },
      { indexes: ["request"], blobs: ["passthrough", "none"], doubles: [ms, 200] },
    ];
    // Each is sent separately, so the order may vary.
    await expect.poll(() => points).toHaveLength(first.length);
    expect(points).toEqual(expect.arrayContaining(first));

    await new Promise((resolve) => {
      setTimeout(resolve, 1100);
    });
    nano.fail({ kind: "status", status: 503 });
    await list();
    const later = async () => points.slice(first.length);
    await expect.poll(later).toHaveLength(3);
    expect(await later()).toEqual(
      expect.arrayContaining([
        { indexes: ["request"], blobs: ["models", "stale"], doubles: [ms, 200] },
        { indexes: ["fetch"], blobs: ["error"], doubles: [ms, 0] },
        { indexes: ["refresh"], blobs: ["failed"], doubles: [0, 0] },
      ]),
    );
  });

  test("writes no part of a key, wherever a request carries it, and no name of a client", async () => {
    const { key, url, tracesIn, output, points, raw } = await setup();
    const requests = [...LIST_REQUESTS, ...REFUSED_REQUESTS, ...PASSTHROUGH_REQUESTS];
    await Promise.all(requests.map((request) => sendRaw(url, serializeRequest(request, key))));
    const requestPoints = () => points.filter(({ indexes }) => indexes[0] === "request").length;
    await expect.poll(requestPoints).toBeGreaterThan(30);
    expect(tracesIn(output() + raw.join("\n"))).toEqual([]);
    const values = new Set(points.flatMap(({ indexes, blobs }) => indexes.concat(blobs)));
    expect([...values].filter((text) => !/^[a-z_]{3,13}$/.test(text))).toEqual([]);
    expect(values.size).toBeLessThan(20);
  });

  test("answers even if no point can be written", async () => {
    const { list } = await setup(FAILING_DATASET);
    expect((await list()).status).toBe(200);
    expect((await list()).status).toBe(200);
  });

  test("reports a binding that is not a dataset", async () => {
    const { list, output } = await setup(NOT_A_DATASET);
    expect((await list()).status).toBe(500);
    expect(output()).toContain("FIGURES must be an Analytics Engine dataset");
  });
});

test("on a Worker /metrics is an unknown path", async () => {
  const { url } = await setup("unbound");
  for (const method of ["GET", "POST"]) {
    const [answer, unknown] = await Promise.all(
      ["/metrics", "/unknown"].map((path) => plainCall(url + path, { method, fields: "Origin: https://a.example" })),
    );
    expect(answer?.status).toBe(404);
    expect(answer?.text).toBe(unknown?.text);
    expect(answer?.rawHeaders.map((line) => line.toLowerCase())).toContain("access-control-allow-origin");
  }
});
