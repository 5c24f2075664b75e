// A stop signal loses no request that a client has begun; DRAIN_TIMEOUT or a second signal cuts what remains.
import { once } from "node:events";
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { openConnection, refusesConnections } from "../support/connection.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { responseTo, startCall, plainCall, readAnswer, type PlainCall } from "../support/plain-call.ts";
import { startProgram } from "../support/program.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";
import { problemsOf, load } from "../support/herd-load.ts";

const POLL = { timeout: 15_000, interval: 20 };
const CHAT = "/v1/chat/completions";

async function started(environment: Record<string, string> = {}) {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const program = await startProgram({ UPSTREAM_URL: nano.url, ...environment });
  return { nano, program, begin: (options?: PlainCall) => startCall(program.url + CHAT, options) };
}

const streamedChat = (intervalMs: number): PlainCall => ({
  method: "POST",
  fields: `Authorization: Bearer ${ALICE}\nx-standin-interval-ms: ${intervalMs}`,
  body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c d" }] }),
});
const get = (path: string) => `GET ${path} HTTP/1.1\nHost: a\nAuthorization: Bearer ${ALICE}\n\n`;
const firstByte = (stream: NodeJS.ReadableStream) => once(stream, "data");

describe("after a stop signal the program", () => {
  test.for(["SIGTERM", "SIGINT"] as const)("(%s) completes a stream in flight, and exits with 0", async (signal) => {
    const { nano, program, begin } = await started();
    const answer = await responseTo(begin(streamedChat(40)));
    await firstByte(answer);
    program.child.kill(signal);
    const { isComplete, text } = await readAnswer(answer);
    expect({ isComplete, ended: text.endsWith("data: [DONE]\n\n") }).toEqual({ isComplete: true, ended: true });
    expect(await program.exited).toBe(0);
    expect(nano.seen[0]?.aborted).toBe(false);
  });

  test("refuses new connections, and answers /readyz with 503 on an open one", async () => {
    const { program, begin } = await started();
    const open = await openConnection(program.url);
    open.send("GET /readyz HTTP/1.1\nHost: a\n\n");
    await open.until(/200 OK[^]*"ready"/);
    // Half of a request, so that the connection is not idle when the stop begins.
    open.send("GET /readyz HTTP/1.1\n");
    const answer = await responseTo(begin(streamedChat(60)));
    program.child.kill("SIGTERM");
    await expect.poll(() => refusesConnections(program.url)).toBe(true);
    open.send("Host: a\n\n");
    const received = await open.until(/503 [^]*"draining"/);
    expect(received).toMatch(/503 [^]*Connection: close/i);
    expect(await open.ended).toBe("fin");
    expect((await readAnswer(answer)).isComplete).toBe(true);
    expect(await program.exited).toBe(0);
  });

  test("does not wait for a connection without a request, such as a browser opens in advance", async () => {
    const { program } = await started({ HEADERS_TIMEOUT: "1h", DRAIN_TIMEOUT: "1h" });
    const silent = await openConnection(program.url);
    // Connections are accepted in order: once this is answered, the silent one has been accepted.
    await plainCall(`${program.url}/healthz`);
    program.child.kill("SIGTERM");
    await silent.ended;
    expect(await program.exited).toBe(0);
  }, 8_000);

  test("exits at once on a second signal", async () => {
    const { program, begin } = await started();
    const answer = await responseTo(begin(streamedChat(60_000)));
    program.child.kill("SIGTERM");
    await expect.poll(() => refusesConnections(program.url)).toBe(true);
    const cut = readAnswer(answer);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(143);
    expect((await cut).isComplete).toBe(false);
  });

  test("cuts responses that take longer than DRAIN_TIMEOUT", async () => {
    const { nano, program, begin } = await started({ DRAIN_TIMEOUT: "300ms" });
    const answer = await responseTo(begin(streamedChat(60_000)));
    program.child.kill("SIGTERM");
    expect((await readAnswer(answer)).isComplete).toBe(false);
    expect(await program.exited).toBe(1);
    await nano.seen[0]?.closed;
    expect(nano.seen[0]?.aborted).toBe(true);
  });

  test("loses no request of clients that reuse connections", async () => {
    const { program } = await started();
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    onTestFinished(() => agent.destroy());
    const outcomes: string[] = [];
    const client = async () => {
      for (;;) {
        const outgoing = startCall(`${program.url}/v1/echo`, { agent, method: "POST", body: "whole" });
        const failed = once(outgoing, "error").then(([error]) => (error as NodeJS.ErrnoException).code ?? "?");
        const done = responseTo(outgoing)
          .then(readAnswer)
          .then(({ status, text, isComplete }) => `${status} ${text}${isComplete ? "" : ", cut"}`);
        const outcome = await Promise.race([done.catch(() => failed), failed]);
        // A refused connection sends the client to another instance.
        if (outcome === "ECONNREFUSED") return;
        outcomes.push(outcome);
        await sleep(2);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await expect.poll(() => outcomes.length, POLL).toBeGreaterThan(100);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    await Promise.all(clients);
    expect(outcomes.filter((outcome) => outcome !== "200 whole")).toEqual([]);
  });

  test("answers clients that the kernel had connected before the signal", async () => {
    const { program } = await started();
    await plainCall(`${program.url}/healthz`);
    // The process is suspended, as if it were busy, and sees the connections and the signal together.
    program.child.kill("SIGSTOP");
    const clients = await Promise.all(Array.from({ length: 100 }, () => openConnection(program.url)));
    for (const { send } of clients) send("GET /healthz HTTP/1.1\nHost: a\n\n");
    program.child.kill("SIGTERM");
    program.child.kill("SIGCONT");
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    expect(clients.filter(({ received }) => /^HTTP\/1\.1 200 [^]*"alive"/.test(received()))).toHaveLength(100);
    expect(new Set(ends)).toEqual(new Set(["fin"]));
    expect(await program.exited).toBe(0);
  });

  test("answers requests that are completed or sent long after it, on open connections", async () => {
    const { program } = await started();
    const [open, half] = [await openConnection(program.url), await openConnection(program.url)];
    half.send(get("/healthz"));
    await half.until(/"alive"/);
    half.send("GET /readyz HTTP/1.1\n");
    open.send(get("/v1/slow-bytes?n=100&ms=150"));
    await open.until(/ 200 /);
    program.child.kill("SIGTERM");
    await open.until(/\r\n0\r\n\r\n$/);
    await sleep(60);
    open.send(get("/healthz"));
    expect(await open.ended).toBe("fin");
    expect(open.received()).toMatch(/Connection: close[^]*"alive"/i);
    half.send("Host: a\n\n");
    expect(await half.ended).toBe("fin");
    expect(half.received()).toMatch(/"alive"[^]*Connection: close[^]*"draining"/i);
    expect(await program.exited).toBe(0);
  });

  test("answers every pipelined request that it has begun to read", async () => {
    const { program, nano } = await started();
    const open = await openConnection(program.url);
    const listFetch = nano.hold();
    open.send([get("/v1/models"), get("/v1/slow-bytes?n=90&ms=80"), get("/healthz"), get("/v1/models")].join(""));
    await listFetch.arrived;
    program.child.kill("SIGTERM");
    await expect.poll(() => refusesConnections(program.url)).toBe(true);
    listFetch.release();
    expect(await open.ended).toBe("fin");
    expect(open.received().match(/HTTP\/1\.1 \d+/g)).toEqual(Array.from({ length: 4 }, () => "HTTP/1.1 200"));
    expect(open.received()).toMatch(/"alive"[^]*"id":"openai\/gpt-4-turbo"[^]*\}$/);
    expect(await program.exited).toBe(0);
  });

  test.each([
    { how: "on reused connections", keepsAlive: true },
    { how: "on a new connection for each call", keepsAlive: false },
  ])("completes every request that clients of all kinds have begun, $how", async ({ keepsAlive }) => {
    const { program } = await started({ MAX_AGE: "50ms", LOG_LEVEL: "silent" });
    const calls = load(program.url, { keepsAlive, clients: 14, pauseMs: 2 });
    await expect.poll(() => calls.answered(), POLL).toBeGreaterThan(60);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    await calls.end();
    expect(problemsOf(calls)).toEqual([]);
  });
});
