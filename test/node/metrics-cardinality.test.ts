import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { samplesOf, type Sample } from "../support/metrics-text.ts";
import { ALICE, scene, type Scene } from "../support/setup.ts";
import { said } from "../support/key-carrying-requests.ts";

// Every value that a label may have: each is a series that is kept for as long as the process lives.
const CLOSED: Readonly<Record<string, RegExp>> = {
  route: /^(?:about|healthz|readyz|metrics|hello|preflight|nowhere|refused|passthrough|models|model)$/,
  status: /^(?:[2-5]\d\d|other)$/,
  cache: /^(?:none|hit|stale|collapsed|miss|request|bypass)$/,
  outcome:
    /^(?:good|unauthorized|limited|rejected|error|timeout|unreachable|invalid|upstream|neighbour|failed)$/,
  le: /^(?:0\.05|0\.1|0\.25|0\.5|1|2|4|10|\+Inf)$/,
  version: /^\d+\.\d+\.\d+$/,
};
const STRANGE_STATUSES = [209, 299, 306, 399, 418, 419, 444, 498, 509, 520, 599];

const word = () => randomBytes(6).toString("hex");
const names = (samples: readonly Sample[]) =>
  new Set(samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
const series = async ({ call }: Scene): Promise<readonly Sample[]> =>
  samplesOf((await call("/metrics")).text).filter(({ name }) => name.startsWith("keylane_"));

/** Sends requests of all kinds with made-up words wherever a word can stand. */
async function flood({ keylane, nano }: Scene): Promise<void> {
  const say = (line: string, ...fields: string[]) =>
    said(keylane.url, `${[line, "Host: a", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`);
  const bearer = `Authorization: Bearer ${ALICE}`;
  for (const status of STRANGE_STATUSES) {
    nano.fail({ kind: "status", status }, { path: "/v1/strange", times: 1 });
    await say(`GET /v1/strange/${word()} HTTP/1.1`, bearer);
    nano.fail({ kind: "status", status }, { times: 1 });
    await say("GET /v1/models HTTP/1.1", `Authorization: Bearer sk-nano-${word()}`);
  }
  for (const method of ["GET", "POST", "PURGE", "PROPFIND", "M-SEARCH", "OPTIONS", "TRACE", "SUBSCRIBE"]) {
    for (const path of ["/v1/models", `/v1/models/${word()}`, `/v1/${word()}`, `/${word()}`, "/metrics"]) {
      await say(`${method} ${path}?${word()}=${word()} HTTP/1.1`, bearer, `X-${word()}: ${word()}`);
    }
    await say(`${method} /v1/../${word()} HTTP/1.1`);
  }
  await say("GET /v1/models HTTP/1.1", bearer, `Cache-Control: ${word()}=${word()}`, `Origin: ${word()}`);
  await say(`${word()} /v1/models HTTP/1.1`, bearer);
}

test("whatever strangers and upstream say makes no word of theirs a label, and no series without end", async () => {
  const all = await scene();
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
