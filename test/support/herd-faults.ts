import { once } from "node:events";
import { Agent } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { patternBytes } from "./nanogpt/bytes.ts";
import { plainFaults } from "./nanogpt/faults.ts";
import type { Fault, NanoGpt } from "./nanogpt/nanogpt.ts";
import { answerTo, begun, readAnswer, type PlainCall } from "./plain-call.ts";
import { ALICE, BOB } from "./setup.ts";

/** Gives a number from 0 (included) to 1, another one each time. */
export type Dice = () => number;

/** Makes trouble for so long, by callers and by upstream, and resolves when the last call is over. */
export async function troubles(nano: NanoGpt, url: string, dice: Dice, ms: number): Promise<number> {
  const until = Date.now() + ms;
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const open = new Set<Promise<unknown>>();
  const faults = breakNow(nano, dice, until);
  let calls = 0;
  while (Date.now() < until) {
    const trouble = pick(TROUBLES, dice);
    const done = trouble({ url, dice, agent })
      .catch(() => {})
      .finally(() => void open.delete(done));
    open.add(done);
    calls++;
    // So that the callers, who are in this process, do not wait for one another.
    await sleep(open.size > 60 ? 200 : dice() * 30);
  }
  await faults;
  nano.reset();
  await Promise.all(open);
  agent.destroy();
  return calls;
}

interface Scene {
  readonly url: string;
  readonly dice: Dice;
  readonly agent: Agent;
}

const UPLOAD = patternBytes(200_000);
// A bounded number of wrong keys: what is remembered of them is there after the warm-up already.
const keys = [ALICE, ALICE, BOB, ...Array.from({ length: 30 }, (_, index) => `sk-nano-test-wrong-${index}`)];
const LISTS = [
  "/v1/models",
  "/v1/models?detailed=true",
  "/paid/v1/models",
  "/basic/v1/models",
  "/v1/models/a/b",
];
const DIRECTIVES = ["", "no-cache", "no-store", "max-age=1", "only-if-cached"];
const CODINGS = ["br", "gzip", "identity", "zstd", "*"];
const ODDITIES = [
  "hello\n\n",
  "GET /v1/models HTTP/1.1\nHost: a\nAuthor",
  "CONNECT other.invalid:443 HTTP/1.1\nHost: a\n\n",
  `GET /v1/echo HTTP/1.1\nHost: a\nX-Much: ${"x".repeat(20_000)}\n\n`,
  "POST /v1/echo HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\nzzz\n",
  "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 100\n\nshort",
  "GET /v1/echo HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n",
  "POST /v1/echo HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 3\n\n",
  "GET /v1/../x HTTP/1.1\nHost: a\n\nGET /healthz HTTP/1.1\nHost: a\n\nGET /v1/slow-bytes?n=100&ms=50 HTTP/1.1\nHost: a\n\n",
];

const TROUBLES: readonly ((scene: Scene) => Promise<unknown>)[] = [
  list,
  list,
  list,
  (scene) => whole(scene, "/v1/models", { method: "PURGE", fields: keyed(scene.dice) }),
  (scene) => whole(scene, "/v1/chat/completions", streamed(scene.dice)),
  (scene) => cut(scene, "/v1/chat/completions", streamed(scene.dice)),
  (scene) => whole(scene, "/v1/echo", { method: "POST", body: UPLOAD }),
  (scene) => cut(scene, "/v1/echo", { method: "POST", body: unending() }),
  (scene) => whole(scene, "/v1/bytes?n=100000&gzip", { fields: keyed(scene.dice) }),
  (scene) => cut(scene, "/v1/slow-bytes?n=1000000&ms=40", {}),
  (scene) => cut(scene, pick(LISTS, scene.dice), { fields: keyed(scene.dice) }),
  odd,
];

function list(scene: Scene): Promise<unknown> {
  const { dice } = scene;
  const fields = [
    keyed(dice),
    `Cache-Control: ${pick(DIRECTIVES, dice)}`,
    `Accept-Encoding: ${pick(CODINGS, dice)}`,
    dice() < 0.3 ? `Origin: https://${Math.floor(dice() * 20)}.example.org` : "",
  ];
  return whole(scene, pick(LISTS, dice), { fields: fields.join("\n") });
}

async function whole({ url, agent, dice }: Scene, path: string, call: PlainCall): Promise<void> {
  const outgoing = begun(url + path, dice() < 0.5 ? { ...call, agent } : call);
  await readAnswer(await answerTo(outgoing));
}

/** A caller who leaves: before the answer, in its midst, or behind it. */
async function cut({ url, dice }: Scene, path: string, call: PlainCall): Promise<void> {
  const outgoing = begun(url + path, call);
  const answer = answerTo(outgoing).then(readAnswer);
  await Promise.race([answer.catch(() => {}), sleep(dice() * 300)]);
  outgoing.destroy();
}

async function odd({ url, dice }: Scene): Promise<void> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(pick(ODDITIES, dice).replaceAll("\n", "\r\n"), "latin1");
  await sleep(dice() * 500);
  if (dice() < 0.5) socket.resetAndDestroy();
  else socket.destroy();
}

/** Breaks upstream another way several times a second, and mends it in between. */
async function breakNow(nano: NanoGpt, dice: Dice, until: number): Promise<void> {
  while (Date.now() < until) {
    // Also forgets what it has seen, which would grow for as long as this goes on.
    nano.reset();
    if (dice() < 0.6) nano.fail(fault(dice));
    if (dice() < 0.4) nano.fail(fault(dice), { path: pick(["/echo", "/chat/", "/bytes"], dice) });
    if (dice() < 0.2) nano.delay(dice() * 500);
    await sleep(100 + dice() * 500);
    if (dice() > 0.05) continue;
    await nano.pause();
    await sleep(dice() * 500);
    await nano.resume();
  }
}

function fault(dice: Dice): Fault {
  const chosen: readonly Fault[] = [
    { kind: "status", status: pick([400, 401, 403, 404, 408, 500, 502, 503], dice), body: '{"error":"no"}' },
    { kind: "rate-limited", retryAfter: 1 },
    { kind: "redirect" },
    { kind: "header-bomb" },
    { kind: "interim" },
    { kind: "drip", bytes: 5000 },
  ];
  return dice() < 0.3 ? pick(chosen, dice) : { kind: pick(plainFaults, dice) };
}

function streamed(dice: Dice): PlainCall {
  const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c" }] });
  return {
    method: "POST",
    fields: `${keyed(dice)}\nx-standin-interval-ms: ${Math.floor(dice() * 40)}`,
    body,
  };
}

const keyed = (dice: Dice): string => `Authorization: Bearer ${pick(keys, dice)}`;

async function* unending(): AsyncGenerator<Buffer> {
  for (;;) {
    yield UPLOAD.subarray(0, 20_000);
    await sleep(10);
  }
}

function pick<T>(from: readonly T[], dice: Dice): T {
  const found = from[Math.floor(dice() * from.length)];
  if (found === undefined) throw new RangeError("Nothing to pick from");
  return found;
}
