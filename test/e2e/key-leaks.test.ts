// A key appears in no log line, in no response to another client and in no error that Keylane creates.
import { hash } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { createCanary, type KeyCanary } from "../support/key-search.ts";
import { plainFaults } from "../support/nanogpt/faults.ts";
import { ECHOING_ERRORS } from "../support/echoing-errors.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ACCOUNTS, BOB, setup, type Setup } from "../support/setup.ts";
import { POLL } from "../support/stale-setup.ts";
import {
  LIST_REQUESTS,
  PASSTHROUGH_REQUESTS,
  REFUSED_REQUESTS,
  sendRaw,
  serializeRequest,
  type KeyRequest,
} from "../support/key-carrying-requests.ts";

const SHORT_TIMEOUTS = { LIST_TIMEOUT: "400ms", PASSTHROUGH_TIMEOUT: "150ms" };
const STORED_AGE_MS = 400_000;
const OWN_REQUESTS = [...LIST_REQUESTS, ...REFUSED_REQUESTS];
const BEARER_REQUEST = LIST_REQUESTS.slice(0, 1);
// List requests with the canary itself as the key, except purges.
const FETCH_REQUESTS = LIST_REQUESTS.filter(({ name }) => !/purge|token/.test(name));

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("a canary is found", { retry: 0 }, () => {
  const canary = createCanary();
  const { key } = canary;
  test.for<readonly [string, string, string]>([
    ["as it is", `"${key}"`, "key"],
    ["in capitals", key.toUpperCase(), "key"],
    ["backwards", key.split("").toReversed().join(""), "reversed"],
    ["by 8 characters from its middle", key.slice(20, 28), "window"],
    ["by its last 4 characters", `sk-…${key.slice(-4)}.`, "tail"],
    ["in hexadecimal", Buffer.from(key).toString("hex").toUpperCase(), "hex"],
    ["percent-encoded", key.replaceAll(/./g, (c) => `%${c.charCodeAt(0).toString(16)}`), "percent-encoded"],
    ["in JSON escapes", key.replaceAll(/./g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`), "JSON-escaped"],
    ["in base64", base64(`${key}:`), "base64 at 0"],
    ["in base64 after one byte", base64(`xyz:${key}!`), "base64 at 1"],
    ["in base64 after two bytes", base64(`"to":${key}"`), "base64 at 2"],
    ["in base64url", Buffer.from(`>>${key}>>`).toString("base64url"), "base64 at 2"],
    ...(["sha256", "sha1", "md5"] as const).flatMap((algorithm): [string, string, string][] => [
      [`as ${algorithm}`, hash(algorithm, key), algorithm],
      [`by 8 digits of ${algorithm}`, `caller ${hash(algorithm, key).slice(0, 8)}`, algorithm],
      [`as ${algorithm} in base64`, hash(algorithm, key, "base64"), `${algorithm} in base64`],
      [`as ${algorithm} in base64url`, hash(algorithm, key, "base64url"), `${algorithm} in base64`],
    ]),
  ])("%s", ([, text, trace]) => {
    expect(canary.tracesIn(text)).toContain(trace);
    expect(canary.tracesIn(Buffer.from(`x${text}`))).toContain(trace);
    expect(canary.tracesIn(Buffer.from(`x${text}`, "utf16le"))).toContain(trace);
    // A tail or a window of another canary may be the same by chance.
    expect(
      createCanary()
        .tracesIn(text)
        .filter((other) => other !== "tail" && other !== "window"),
    ).toEqual([]);
  });
});

/** Sends requests concurrently; returns [name, response] of each, except where the response must echo the request. */
async function sendAll({ keylane }: Setup, key: string, requests: readonly KeyRequest[]): Promise<[string, string][]> {
  const answers = await Promise.all(
    requests.map(async (request) => {
      // Only a passthrough call can hang forever: when upstream's body stops in the middle.
      const timeoutMs = PASSTHROUGH_REQUESTS.includes(request) ? 600 : 10_000;
      return [request, await sendRaw(keylane.url, serializeRequest(request, key), timeoutMs)] as const;
    }),
  );
  return answers.flatMap(([{ name, isEcho }, text]) => (isEcho === true ? [] : [[name, text]]));
}

const sendAsBob = (all: Setup) =>
  sendAll(all, BOB, [...LIST_REQUESTS.slice(0, 4), ...PASSTHROUGH_REQUESTS.slice(0, 1)]);

/** Searches the responses and the whole log for traces of the key. */
async function findTraces({ keylane }: Setup, { tracesIn }: KeyCanary, answers: [string, string][]) {
  const lines = async () => (await keylane.log()).filter((line) => line.includes('"msg":"request"'));
  // A request is logged when its response is over, which may be after the client has received it.
  await expect.poll(async () => (await lines()).length, POLL).toBeGreaterThanOrEqual(answers.length / 2);
  const texts = [...answers, ...(await keylane.log()).map((line) => [line, line] as const)];
  return texts.flatMap(([where, text]) => tracesIn(text).map((trace) => `${trace} in ${where}: ${text}`));
}

async function canarySetup(settings: Record<string, string> = {}) {
  const canary = createCanary();
  const all = await setup({ ...SHORT_TIMEOUTS, ...settings }, [...ACCOUNTS, { key: canary.key }]);
  return { canary, all };
}

describe("a key is in no log line, no response to others and no error of Keylane's", { retry: 0 }, () => {
  test("while upstream works", async () => {
    const { canary, all } = await canarySetup();
    const answers = await sendAll(all, canary.key, OWN_REQUESTS);
    // Upstream echoes these requests in its responses: only the log is searched.
    await sendAll(all, canary.key, PASSTHROUGH_REQUESTS);
    answers.push(...(await sendAsBob(all)));
    expect(await findTraces(all, canary, answers)).toEqual([]);
    expect(all.nano.lists(canary.key).length).toBeGreaterThan(0);
  });

  test("while upstream is unreachable", async () => {
    const { canary, all } = await canarySetup();
    await all.nano.pause();
    const answers = await sendAll(all, canary.key, [...OWN_REQUESTS, ...PASSTHROUGH_REQUESTS]);
    expect(await findTraces(all, canary, [...answers, ...(await sendAsBob(all))])).toEqual([]);
  });

  test.for(plainFaults)("while upstream fails by %s, with and without a stored list", async (kind) => {
    const { canary, all } = await canarySetup();
    all.nano.fail({ kind }, { path: "/v1" });
    const cold = await sendAll(all, canary.key, [...OWN_REQUESTS, ...PASSTHROUGH_REQUESTS]);
    const others = await sendAsBob(all);
    all.nano.fail(undefined);
    // Polled: fetches from before may still be failing.
    const list = async () => {
      await all.keylane.advance(STORED_AGE_MS);
      return String((await sendAll(all, canary.key, BEARER_REQUEST))[0]?.[1]);
    };
    await expect.poll(list, POLL).toMatch(/^HTTP\/1\.1 200 /);
    await all.keylane.advance(STORED_AGE_MS);
    all.nano.fail({ kind }, { path: "/v1" });
    const stored = await sendAll(all, canary.key, FETCH_REQUESTS);
    const answers = [...cold, ...others, ...stored, ...(await sendAsBob(all))];
    expect(await findTraces(all, canary, answers)).toEqual([]);
    expect(all.nano.lists(canary.key).length).toBeGreaterThan(1);
  });

  test.for(ECHOING_ERRORS)("while upstream quotes it: %s", async ([, pattern]) => {
    const canary = createCanary();
    let answer = "";
    const respond = (socket: Socket) => void socket.end(answer.replaceAll(/\r?\n/g, "\r\n"), "latin1");
    const { url, received } = await startRawUpstream(respond);
    const all = await setup({ ...SHORT_TIMEOUTS, UPSTREAM_URL: url });
    const good = 'HTTP/1.1 200 OK\nContent-Type: application/json\n\n{"data":[{"id":"openai/gpt-4-turbo"}]}';
    const echoing = pattern.replaceAll("KEY", canary.key);
    const answers: [string, string][] = [];
    for (answer of [echoing, good, echoing]) {
      await all.keylane.advance(STORED_AGE_MS);
      answers.push(...(await sendAll(all, canary.key, FETCH_REQUESTS.slice(0, 8))));
      // Upstream's response to this call may quote the key: only the log and the other responses are searched.
      await sendAll(all, canary.key, PASSTHROUGH_REQUESTS.slice(0, 1));
      if (answer === good) answers.push(...(await sendAsBob(all)));
    }
    expect(await findTraces(all, canary, answers)).toEqual([]);
    expect(received.join("")).toContain(canary.key);
  });
});
