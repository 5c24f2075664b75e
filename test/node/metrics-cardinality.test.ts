import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { samplesOf, type Sample } from "../support/metrics-text.ts";
import { ALICE, setup, type Setup } from "../support/setup.ts";
import { sendRaw } from "../support/key-carrying-requests.ts";

// Every value that a label may have: each is a series that is kept for as long as the process lives.
const CLOSED: Readonly<Record<string, RegExp>> = {
  route: /^(?:root|healthz|readyz|metrics|probe|preflight|not_found|invalid|passthrough|models|model)$/,
  status: /^(?:[2-5]\d\d|other)$/,
  cache: /^(?:none|hit|stale|collapsed|miss|request|bypass)$/,
  outcome: /^(?:good|unauthorized|rate_limited|rejected|error|timeout|unreachable|invalid|upstream|peer|failed)$/,
  le: /^(?:0\.05|0\.1|0\.25|0\.5|1|2|4|10|\+Inf)$/,
  version: /^\d+\.\d+\.\d+$/,
};
const STRANGE_STATUSES = [209, 299, 306, 399, 418, 419, 444, 498, 509, 520, 599];

const text = () => randomBytes(6).toString("hex");
const names = (samples: readonly Sample[]) =>
  new Set(samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
const series = async ({ call }: Setup): Promise<readonly Sample[]> =>
  samplesOf((await call("/metrics")).text).filter(({ name }) => name.startsWith("keylane_"));

/** Sends requests of all kinds with made-up texts in every place. */
async function flood({ keylane, nano }: Setup): Promise<void> {
  const say = (line: string, ...fields: string[]) =>
    sendRaw(keylane.url, `${[line, "Host: a", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`);
  const bearer = `Authorization: Bearer ${ALICE}`;
  for (const status of STRANGE_STATUSES) {
    nano.fail({ kind: "status", status }, { path: "/v1/strange", times: 1 });
    await say(`GET /v1/strange/${text()} HTTP/1.1`, bearer);
    nano.fail({ kind: "status", status }, { times: 1 });
    await say("GET /v1/models HTTP/1.1", `Authorization: Bearer sk-nano-${text()}`);
  }
  for (const method of ["GET", "POST", "PURGE", "PROPFIND", "M-SEARCH", "OPTIONS", "TRACE", "SUBSCRIBE"]) {
    for (const path of ["/v1/models", `/v1/models/${text()}`, `/v1/${text()}`, `/${text()}`, "/metrics"]) {
      await say(`${method} ${path}?${text()}=${text()} HTTP/1.1`, bearer, `X-${text()}: ${text()}`);
    }
    await say(`${method} /v1/../${text()} HTTP/1.1`);
  }
  await say("GET /v1/models HTTP/1.1", bearer, `Cache-Control: ${text()}=${text()}`, `Origin: ${text()}`);
  await say(`${text()} /v1/models HTTP/1.1`, bearer);
}

test("no text of a client or of upstream becomes a label, and the number of series is bounded", async () => {
  const all = await setup();
  await flood(all);
  const known = await series(all);
  for (const { labels } of known) {
    for (const [label, value] of Object.entries(labels)) expect(value).toMatch(CLOSED[label] ?? /^never$/);
  }
  expect(known.find(({ labels }) => labels["status"] === "other")?.value).toBe(STRANGE_STATUSES.length);
  await flood(all);
  await flood(all);
  expect([...names(await series(all))].filter((name) => !names(known).has(name))).toEqual([]);
});
