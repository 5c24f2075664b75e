// Malformed requests, resets and odd upstream responses neither end the process nor delay its stop.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { plainCall } from "../support/plain-call.ts";
import { startProgram, type Program } from "../support/program.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";

// Nothing listens there, and no test sends a list request.
const UNREACHABLE = "http://127.0.0.1:9";
const CONNECT = "CONNECT other.invalid:443 HTTP/1.1\nHost: other.invalid:443\n\n";

const started = (environment: Record<string, string> = {}) =>
  startProgram({ UPSTREAM_URL: UNREACHABLE, ...environment });

async function expectAlive(program: Program) {
  const { url, child } = program;
  const status = await plainCall(`${url}/healthz`).then(
    (answer) => answer.status,
    (error: NodeJS.ErrnoException) => error.code,
  );
  expect({ status, signal: child.signalCode, exit: child.exitCode }, program.stderr()).toEqual({
    status: 200,
    signal: null,
    exit: null,
  });
}

/** Sends a request on a new connection and resets it at once. */
async function sendAndReset(url: string, request: string) {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  await new Promise((resolve) => {
    socket.write(request.replaceAll("\n", "\r\n"), resolve);
  });
  socket.resetAndDestroy();
}

describe("the program still answers after", () => {
  test("CONNECT on a connection that is reset", async () => {
    const program = await started();
    // The reset may come before the response or after it.
    for (let i = 0; i < 10; i++) await sendAndReset(program.url, CONNECT);
    await sleep(50);
    await expectAlive(program);
  });

  test("garbage on a connection that is reset", async () => {
    const program = await started();
    for (let i = 0; i < 10; i++) await sendAndReset(program.url, "hello\n\n");
    await sleep(50);
    await expectAlive(program);
  });

  // undici does not listen for errors of a request body whose request failed before it began.
  test("a client that disconnects within its request body, while upstream is unreachable", async () => {
    const program = await started();
    const begun = "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 100\n\nshort";
    for (let i = 0; i < 10; i++) {
      const { port, hostname } = new URL(program.url);
      const socket = connect(Number(port), hostname);
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(begun.replaceAll("\n", "\r\n"));
      if (i % 2 === 0) await once(socket, "data");
      socket.destroy();
    }
    await sleep(50);
    await expectAlive(program);
  });

  test.for<readonly [string, string]>([
    ["Latin-1", "Tr\xe8s bien"],
    ["one byte that is not UTF-8", "\xe9"],
    ["UTF-8", Buffer.from("D’accord ✓").toString("latin1")],
    ["a control character", "O\x7fK"],
  ])("an upstream reason phrase that Node cannot write: %s", async ([, phrase]) => {
    const upstream = await startRawUpstream(`HTTP/1.1 200 ${phrase}\nContent-Length: 2\n\nok`);
    const program = await started({ PASSTHROUGH_URL: upstream.url });
    const outcome = plainCall(`${program.url}/v1/echo`).then(
      ({ status, reason, text }) => ({ status, reason, text }),
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(await Promise.race([outcome, program.exited])).toEqual({ status: 200, reason: "OK", text: "ok" });
    await expectAlive(program);
  });

  test("an upstream status without a standard reason phrase", async () => {
    const upstream = await startRawUpstream("HTTP/1.1 299 \xe9\nContent-Length: 2\n\nok");
    const program = await started({ PASSTHROUGH_URL: upstream.url });
    const outcome = plainCall(`${program.url}/v1/echo`).then(({ status, reason }) => ({ status, reason }));
    expect(await Promise.race([outcome, program.exited])).toEqual({ status: 299, reason: "" });
    await expectAlive(program);
  });
});

describe("a stop does not wait for a client that leaves its side of the connection open after", () => {
  test.for<readonly [string, string, RegExp]>([
    ["CONNECT", CONNECT, /^HTTP\/1\.1 405 [^]*method_not_allowed/],
    ["garbage", "hello\n\n", /^HTTP\/1\.1 400 [^]*bad_request/],
    ["too many header bytes", `GET /v1/echo HTTP/1.1\nHost: a\nX-Much: ${"x".repeat(20_000)}\n\n`, /^HTTP\/1\.1 431 /],
  ])("%s", async ([, request, answer]) => {
    const program = await started({ DRAIN_TIMEOUT: "1h" });
    const open = await openConnection(program.url);
    open.send(request);
    await open.until(answer);
    program.child.kill("SIGTERM");
    expect(await Promise.race([program.exited, sleep(2000, "still there")])).toBe(0);
  });

  test.for<readonly [string, string, RegExp, string]>([
    ["a body that follows its response", "GET /healthz HTTP/1.1\nHost: a\nContent-Length: 4\n\n", /alive/, "body"],
    ["a stray line break", "GET /healthz HTTP/1.1\nHost: a\n\n", /alive/, "\n"],
  ])("%s", async ([, request, answer, rest]) => {
    const program = await started({ DRAIN_TIMEOUT: "1h", HEADERS_TIMEOUT: "500ms" });
    const open = await openConnection(program.url);
    open.send(request);
    await open.until(answer);
    open.send(rest);
    await plainCall(`${program.url}/healthz`);
    program.child.kill("SIGTERM");
    expect(await Promise.race([program.exited, sleep(8000, "still there")])).toBe(0);
  });

  test("a response, while the clock is set back", async () => {
    const setBack = `const { now } = Date; let back = 0; Date.now = () => now() - back;
      process.on("SIGUSR2", () => { back = 3_600_000; });`;
    const program = await started({
      DRAIN_TIMEOUT: "5s",
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(setBack)}`,
    });
    const open = await openConnection(program.url);
    open.send("GET /healthz HTTP/1.1\nHost: a\n\n");
    await open.until(/alive/);
    program.child.kill("SIGTERM");
    await sleep(100);
    program.child.kill("SIGUSR2");
    expect(await Promise.race([program.exited, sleep(4000, "still there")])).toBe(0);
  });

  test("CONNECT on a connection that was open before the stop", async () => {
    const program = await started({ DRAIN_TIMEOUT: "1h" });
    const open = await openConnection(program.url);
    // Half of a request, so that the connection is neither silent nor idle when the stop begins.
    open.send("CONNECT other.invalid:443 HTTP/1.1\n");
    await plainCall(`${program.url}/healthz`);
    program.child.kill("SIGTERM");
    await sleep(100);
    open.send("Host: other.invalid:443\n\n");
    await open.until(/ 405 /);
    expect(await Promise.race([program.exited, sleep(2000, "still there")])).toBe(0);
  });
});
