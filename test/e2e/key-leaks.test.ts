import { hash } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { canary, type Canary } from "../support/key-search.ts";
import { plainFaults } from "../support/nanogpt/faults.ts";
import { QUOTATIONS } from "../support/echoing-errors.ts";
import { rawUpstream } from "../support/raw-upstream.ts";
import { ACCOUNTS, BOB, scene, type Scene } from "../support/setup.ts";
import { SOON } from "../support/stale-setup.ts";
import {
  LIST_WAYS,
  PASSED_WAYS,
  REFUSED_WAYS,
  said,
  written,
  type Way,
} from "../support/key-carrying-requests.ts";

const QUICK = { LIST_TIMEOUT: "400ms", PASSTHROUGH_TIMEOUT: "150ms" };
const STORED_AGE_MS = 400_000;
const OWN_WAYS = [...LIST_WAYS, ...REFUSED_WAYS];
const BY_BEARER = LIST_WAYS.slice(0, 1);
// Those after which what was stored is still there, and is asked for by the canary itself.
const ASKING_WAYS = LIST_WAYS.filter(({ way }) => !/purge|token/.test(way));

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("a canary is found", { retry: 0 }, () => {
  const found = canary();
  const { key } = found;
  test.for<readonly [string, string, string]>([
    ["as it is", `"${key}"`, "key"],
    ["in capitals", key.toUpperCase(), "key"],
    ["backwards", key.split("").toReversed().join(""), "reversed"],
    ["by 8 characters of its middle", key.slice(20, 28), "window"],
    ["by its last 4 characters", `sk-…${key.slice(-4)}.`, "tail"],
    ["in hexadecimal", Buffer.from(key).toString("hex").toUpperCase(), "hex"],
    ["percent-encoded", key.replaceAll(/./g, (c) => `%${c.charCodeAt(0).toString(16)}`), "percent-encoded"],
    [
      "in escapes of JSON",
      key.replaceAll(/./g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
      "JSON-escaped",
    ],
    ["in base64", base64(`${key}:`), "base64 at 0"],
    ["in base64 behind one byte", base64(`xyz:${key}!`), "base64 at 1"],
    ["in base64 behind two bytes", base64(`"to":${key}"`), "base64 at 2"],
    ["in base64url", Buffer.from(`>>${key}>>`).toString("base64url"), "base64 at 2"],
    ...(["sha256", "sha1", "md5"] as const).flatMap((algorithm): [string, string, string][] => [
      [`as ${algorithm}`, hash(algorithm, key), algorithm],
      [`by 8 digits of ${algorithm}`, `caller ${hash(algorithm, key).slice(0, 8)}`, algorithm],
      [`as ${algorithm} in base64`, hash(algorithm, key, "base64"), `${algorithm} in base64`],
      [`as ${algorithm} in base64url`, hash(algorithm, key, "base64url"), `${algorithm} in base64`],
    ]),
  ])("%s", ([, text, trace]) => {
    expect(found.tracesIn(text)).toContain(trace);
    expect(found.tracesIn(Buffer.from(`x${text}`))).toContain(trace);
    expect(found.tracesIn(Buffer.from(`x${text}`, "utf16le"))).toContain(trace);
    // Four characters may be another's by chance.
    expect(
      canary()
        .tracesIn(text)
        .filter((other) => other !== "tail"),
    ).toEqual([]);
  });
});

/** Makes requests in all these ways at once, with a key. Gives each answer that has no leave to quote it. */
async function asked({ keylane }: Scene, key: string, ways: readonly Way[]): Promise<[string, string][]> {
  const answers = await Promise.all(
    ways.map(async (way) => {
      // A call that hangs in its middle does so for good; all others end by themselves.
      const patienceMs = PASSED_WAYS.includes(way) ? 600 : 10_000;
      return [way, await said(keylane.url, written(way, key), patienceMs)] as const;
    }),
  );
  return answers.flatMap(([{ way, isEcho }, text]) => (isEcho === true ? [] : [[way, text]]));
}

const ofBob = (all: Scene) => asked(all, BOB, [...LIST_WAYS.slice(0, 4), ...PASSED_WAYS.slice(0, 1)]);

/** Looks for traces in the answers and in the whole log. */
async function tracesIn({ keylane }: Scene, { tracesIn: traces }: Canary, answers: [string, string][]) {
  const lines = async () => (await keylane.log()).filter((line) => line.includes('"msg":"request"'));
  // A line comes when its answer is over, which may be after the caller has heard it.
  await expect.poll(async () => (await lines()).length, SOON).toBeGreaterThanOrEqual(answers.length / 2);
  const texts = [...answers, ...(await keylane.log()).map((line) => [line, line] as const)];
  return texts.flatMap(([where, text]) => traces(text).map((trace) => `${trace} in ${where}: ${text}`));
}

async function canaryScene(settings: Record<string, string> = {}) {
  const bird = canary();
  const all = await scene({ ...QUICK, ...settings }, [...ACCOUNTS, { key: bird.key }]);
  return { bird, all };
}

describe("a key is in no log line, no answer of others and no error of Keylane's", { retry: 0 }, () => {
  test("while all goes well", async () => {
    const { bird, all } = await canaryScene();
    const answers = [
      ...(await asked(all, bird.key, OWN_WAYS)),
      // These answers are upstream's, who echoes.
      ...(await asked(all, bird.key, PASSED_WAYS)).slice(PASSED_WAYS.length),
      ...(await ofBob(all)),
    ];
    expect(await tracesIn(all, bird, answers)).toEqual([]);
    expect(all.nano.lists(bird.key).length).toBeGreaterThan(0);
  });

  test("while upstream cannot be reached", async () => {
    const { bird, all } = await canaryScene();
    await all.nano.pause();
    const answers = await asked(all, bird.key, [...OWN_WAYS, ...PASSED_WAYS]);
    expect(await tracesIn(all, bird, [...answers, ...(await ofBob(all))])).toEqual([]);
  });

  test.for(plainFaults)("while upstream fails by %s, with nothing stored and with a list", async (kind) => {
    const { bird, all } = await canaryScene();
    all.nano.fail({ kind }, { path: "/v1" });
    const cold = await asked(all, bird.key, [...OWN_WAYS, ...PASSED_WAYS]);
    const others = await ofBob(all);
    all.nano.fail(undefined);
    // Patiently: what a fault has left behind may still keep Keylane busy.
    const list = async () => {
      await all.keylane.advance(STORED_AGE_MS);
      return String((await asked(all, bird.key, BY_BEARER))[0]?.[1]);
    };
    await expect.poll(list, SOON).toMatch(/^HTTP\/1\.1 200 /);
    await all.keylane.advance(STORED_AGE_MS);
    all.nano.fail({ kind }, { path: "/v1" });
    const stored = await asked(all, bird.key, ASKING_WAYS);
    const answers = [...cold, ...others, ...stored, ...(await ofBob(all))];
    expect(await tracesIn(all, bird, answers)).toEqual([]);
    expect(all.nano.lists(bird.key).length).toBeGreaterThan(1);
  });

  test.for(QUOTATIONS)("while upstream quotes it: %s", async ([, quotation]) => {
    const bird = canary();
    let answer = "";
    const speak = (socket: Socket) => void socket.end(answer.replaceAll(/\r?\n/g, "\r\n"), "latin1");
    const { url, heard } = await rawUpstream(speak);
    const all = await scene({ ...QUICK, UPSTREAM_URL: url });
    const good = 'HTTP/1.1 200 OK\nContent-Type: application/json\n\n{"data":[{"id":"openai/gpt-4-turbo"}]}';
    const quoting = quotation.replaceAll("KEY", bird.key);
    const answers: [string, string][] = [];
    for (answer of [quoting, good, quoting]) {
      await all.keylane.advance(STORED_AGE_MS);
      answers.push(...(await asked(all, bird.key, ASKING_WAYS.slice(0, 8))));
      // What upstream says of a call is for its caller; the log and the others are not to hear of it.
      await asked(all, bird.key, PASSED_WAYS.slice(0, 1));
      if (answer === good) answers.push(...(await ofBob(all)));
    }
    expect(await tracesIn(all, bird, answers)).toEqual([]);
    expect(heard.join("")).toContain(bird.key);
  });
});
