// No text of a client or of upstream becomes a label value, so the number of series is bounded.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { samplesOf, type Sample } from "../support/metrics-text.ts";
import { ALICE, setup, type Setup } from "../support/setup.ts";
import { sendRaw } from "../support/key-carrying-requests.ts";

// Every value that a label may have. Each one is a series that lives as long as the process.
const LABEL_VALUES: Readonly<Record<string, RegExp>> = {
  route: /^(?:root|healthz|readyz|metrics|probe|preflight|not_found|invalid|passthrough|models|model)$/,
  status: /^(?:[2-5]\d\d|other)$/,
  cache: /^(?:none|hit|stale|collapsed|miss|request|bypass)$/,
  outcome: /^(?:good|unauthorized|rate_limited|rejected|error|timeout|unreachable|invalid|upstream|peer|failed)$/,
  le: /^(?:0\.05|0\.1|0\.25|0\.5|1|2|4|10|\+Inf)$/,
  version: /^\d+\.\d+\.\d+$/,
};
const UNREGISTERED_STATUSES = [209, 299, 306, 399, 418, 419, 444, 498, 509, 520, 599];

const random = () => randomBytes(6).toString("hex");
const seriesNames = (samples: readonly Sample[]) =>
  new Set(samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
const scrape = async ({ call }: Setup): Promise<readonly Sample[]> =>
  samplesOf((await call("/metrics")).text).filter(({ name }) => name.startsWith("keylane_"));

/** Sends requests of all kinds with random texts in every part. */
async function flood({ keylane, nano }: Setup): Promise<void> {
  const sendRequest = (line: string, ...fields: string[]) =>
    sendRaw(keylane.url, `${[line, "Host: a", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`);
  const bearer = `Authorization: Bearer ${ALICE}`;
  for (const status of UNREGISTERED_STATUSES) {
    nano.fail({ kind: "status", status }, { path: "/v1/unregistered", times: 1 });
    await sendRequest(`GET /v1/unregistered/${random()} HTTP/1.1`, bearer);
    nano.fail({ kind: "status", status }, { times: 1 });
    await sendRequest("GET /v1/models HTTP/1.1", `Authorization: Bearer sk-nano-${random()}`);
  }
  for (const method of ["GET", "POST", "PURGE", "PROPFIND", "M-SEARCH", "OPTIONS", "TRACE", "SUBSCRIBE"]) {
    for (const path of ["/v1/models", `/v1/models/${random()}`, `/v1/${random()}`, `/${random()}`, "/metrics"]) {
      await sendRequest(`${method} ${path}?${random()}=${random()} HTTP/1.1`, bearer, `X-${random()}: ${random()}`);
    }
    await sendRequest(`${method} /v1/../${random()} HTTP/1.1`);
  }
  await sendRequest("GET /v1/models HTTP/1.1", bearer, `Cache-Control: ${random()}=${random()}`, `Origin: ${random()}`);
  await sendRequest(`${random()} /v1/models HTTP/1.1`, bearer);
}

test("random requests and statuses add no label value and no series", async () => {
  const all = await setup();
  await flood(all);
  const first = await scrape(all);
  for (const { labels } of first) {
    for (const [label, value] of Object.entries(labels)) expect(value).toMatch(LABEL_VALUES[label] ?? /^never$/);
  }
  expect(first.find(({ labels }) => labels["status"] === "other")?.value).toBe(UNREGISTERED_STATUSES.length);
  await flood(all);
  await flood(all);
  expect([...seriesNames(await scrape(all))].filter((name) => !seriesNames(first).has(name))).toEqual([]);
});
