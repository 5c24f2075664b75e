import { once } from "node:events";
import { Agent } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { patternBytes } from "./nanogpt/bytes.ts";
import { plainFaults } from "./nanogpt/faults.ts";
import type { Fault, NanoGpt } from "./nanogpt/nanogpt.ts";
import { responseTo, startCall, readAnswer, type PlainCall } from "./plain-call.ts";
import { ALICE, BOB } from "./setup.ts";

/** Returns a random number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/** Injects client and upstream faults for `ms`; resolves with the number of calls when the last one has ended. */
export async function injectFaults(nano: NanoGpt, url: string, random: Random, ms: number): Promise<number> {
  const until = Date.now() + ms;
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const open = new Set<Promise<unknown>>();
  const upstreamFaults = breakUpstream(nano, random, until);
  let calls = 0;
  while (Date.now() < until) {
    const call = pick(CALLS, random);
    const done = call({ url, random, agent })
      .catch(() => {})
      .finally(() => void open.delete(done));
    open.add(done);
    calls++;
    // Bounds the number of open calls, since all clients share this process.
    await sleep(open.size > 60 ? 200 : random() * 30);
  }
  await upstreamFaults;
  nano.reset();
  await Promise.all(open);
  agent.destroy();
  return calls;
}

interface CallContext {
  readonly url: string;
  readonly random: Random;
  readonly agent: Agent;
}

const UPLOAD = patternBytes(200_000);
// A bounded number of wrong keys, so that the negative cache is full after the warm-up.
const keys = [ALICE, ALICE, BOB, ...Array.from({ length: 30 }, (_, index) => `sk-nano-test-wrong-${index}`)];
const LISTS = ["/v1/models", "/v1/models?detailed=true", "/paid/v1/models", "/basic/v1/models", "/v1/models/a/b"];
const DIRECTIVES = ["", "no-cache", "no-store", "max-age=1", "only-if-cached"];
const CODINGS = ["br", "gzip", "identity", "zstd", "*"];
const RAW_REQUESTS = [
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

const CALLS: readonly ((context: CallContext) => Promise<unknown>)[] = [
  list,
  list,
  list,
  (context) => readAll(context, "/v1/models", { method: "PURGE", fields: bearer(context.random) }),
  (context) => readAll(context, "/v1/chat/completions", streamedChat(context.random)),
  (context) => disconnect(context, "/v1/chat/completions", streamedChat(context.random)),
  (context) => readAll(context, "/v1/echo", { method: "POST", body: UPLOAD }),
  (context) => disconnect(context, "/v1/echo", { method: "POST", body: endless() }),
  (context) => readAll(context, "/v1/bytes?n=100000&gzip", { fields: bearer(context.random) }),
  (context) => disconnect(context, "/v1/slow-bytes?n=1000000&ms=40", {}),
  (context) => disconnect(context, pick(LISTS, context.random), { fields: bearer(context.random) }),
  sendRawBytes,
];

function list(context: CallContext): Promise<unknown> {
  const { random } = context;
  const fields = [
    bearer(random),
    `Cache-Control: ${pick(DIRECTIVES, random)}`,
    `Accept-Encoding: ${pick(CODINGS, random)}`,
    random() < 0.3 ? `Origin: https://${Math.floor(random() * 20)}.example.org` : "",
  ];
  return readAll(context, pick(LISTS, random), { fields: fields.join("\n") });
}

async function readAll({ url, agent, random }: CallContext, path: string, call: PlainCall): Promise<void> {
  const outgoing = startCall(url + path, random() < 0.5 ? { ...call, agent } : call);
  await readAnswer(await responseTo(outgoing));
}

/** A client that disconnects before, during or after the response. */
async function disconnect({ url, random }: CallContext, path: string, call: PlainCall): Promise<void> {
  const outgoing = startCall(url + path, call);
  const answer = responseTo(outgoing).then(readAnswer);
  await Promise.race([answer.catch(() => {}), sleep(random() * 300)]);
  outgoing.destroy();
}

async function sendRawBytes({ url, random }: CallContext): Promise<void> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(pick(RAW_REQUESTS, random).replaceAll("\n", "\r\n"), "latin1");
  await sleep(random() * 500);
  if (random() < 0.5) socket.resetAndDestroy();
  else socket.destroy();
}

/** Injects another upstream fault several times a second, and clears it in between. */
async function breakUpstream(nano: NanoGpt, random: Random, until: number): Promise<void> {
  while (Date.now() < until) {
    // Also clears the recorded requests, which would grow without bound.
    nano.reset();
    if (random() < 0.6) nano.fail(randomFault(random));
    if (random() < 0.4) nano.fail(randomFault(random), { path: pick(["/echo", "/chat/", "/bytes"], random) });
    if (random() < 0.2) nano.delay(random() * 500);
    await sleep(100 + random() * 500);
    if (random() > 0.05) continue;
    await nano.pause();
    await sleep(random() * 500);
    await nano.resume();
  }
}

function randomFault(random: Random): Fault {
  const configured: readonly Fault[] = [
    { kind: "status", status: pick([400, 401, 403, 404, 408, 500, 502, 503], random), body: '{"error":"no"}' },
    { kind: "rate-limited", retryAfter: 1 },
    { kind: "redirect" },
    { kind: "header-bomb" },
    { kind: "interim" },
    { kind: "drip", bytes: 5000 },
  ];
  return random() < 0.3 ? pick(configured, random) : { kind: pick(plainFaults, random) };
}

function streamedChat(random: Random): PlainCall {
  const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c" }] });
  return { method: "POST", fields: `${bearer(random)}\nx-standin-interval-ms: ${Math.floor(random() * 40)}`, body };
}

const bearer = (random: Random): string => `Authorization: Bearer ${pick(keys, random)}`;

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield UPLOAD.subarray(0, 20_000);
    await sleep(10);
  }
}

function pick<T>(choices: readonly T[], random: Random): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new RangeError("Cannot pick: choices must not be empty");
  return choice;
}
