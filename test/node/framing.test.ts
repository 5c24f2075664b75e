// Malformed requests get an OpenAI error and a closed connection; well-formed ones are answered in order.
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, setup } from "../support/setup.ts";

async function open(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  return { nano, keylane, ...(await openConnection(keylane.url)) };
}

/** Splits received text into responses, of which only the last may be chunked. */
function splitAnswers(received: string) {
  return received.split(/(?=HTTP\/1\.1 \d{3} )/).map((text) => {
    const [head = "", body = ""] = text.split("\r\n\r\n");
    return { status: Number(head.slice(9, 12)), head, body };
  });
}

/** Sends a request that is rejected, and returns the only response; the connection must be closed after it. */
async function rejection(request: string, settings: Record<string, string> = {}) {
  const { send, received, ended, nano } = await open(settings);
  send(request);
  expect(await ended).toBe("fin");
  expect(nano.seen).toHaveLength(0);
  const [answer, ...more] = splitAnswers(received());
  expect(more).toEqual([]);
  const error = answer?.body === "" ? undefined : JSON.parse(answer?.body ?? "").error;
  return { status: answer?.status, code: error?.code as unknown, head: answer?.head ?? "" };
}

describe("a malformed request gets an error in OpenAI's shape:", () => {
  const authorization = `Authorization: Bearer ${ALICE}\n`;
  test.for<readonly [string, string]>([
    ["a malformed field", "GET /v1/echo HTTP/1.1\nHost: a\nBad Name: x\n\n"],
    ["no HTTP", "hello\n\n"],
    [
      "Content-Length and Transfer-Encoding",
      `POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n`,
    ],
    ["two Content-Lengths", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 4\n\nabc"],
    ["an invalid Content-Length", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: -1\n\n"],
    ["a coding after chunked", "POST /v1/echo HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, gzip\n\n0\n\n"],
    ["a folded header line", "GET /v1/echo HTTP/1.1\nHost: a\nX-A: 1\n 2\n\n"],
  ])("%s", async ([, request]) => {
    expect(await rejection(request)).toMatchObject({ status: 400, code: "bad_request" });
  });

  test.for<readonly [string, string]>([
    ["two Hosts", `GET /v1/models HTTP/1.1\nHost: a\nhost: a\n${authorization}\n`],
    ["no Host", `GET /v1/models HTTP/1.1\n${authorization}\n`],
    ["an absolute target", `GET http://127.0.0.1/v1/models HTTP/1.1\nHost: a\n${authorization}\n`],
    ["an absolute target elsewhere", `GET http://other.invalid/v1/echo HTTP/1.1\nHost: a\n${authorization}\n`],
    ["the target *", `OPTIONS * HTTP/1.1\nHost: a\n${authorization}\n`],
    ["dot segments", `GET /v1/../echo HTTP/1.1\nHost: a\n${authorization}\n`],
    ["escaped dot segments", `GET /v1/%2e%2e/echo HTTP/1.1\nHost: a\n${authorization}\n`],
    ["a backslash", `GET /v1\\echo HTTP/1.1\nHost: a\n${authorization}\n`],
  ])("%s", async ([, request]) => {
    const closing = request
      .replace("Host", "Connection: close\nHost")
      .replace(/1\.1\nAuth/, "1.1\nConnection: close\nAuth");
    expect(await rejection(closing)).toMatchObject({ status: 400, code: "bad_request" });
  });

  test("CONNECT", async () => {
    const { status, code, head } = await rejection("CONNECT other.invalid:443 HTTP/1.1\nHost: other.invalid:443\n\n");
    expect({ status, code }).toEqual({ status: 405, code: "method_not_allowed" });
    expect(head).toMatch(/\nAllow: .*POST/i);
  });

  test("headers over the limit", async () => {
    const request = `GET /v1/echo HTTP/1.1\nHost: a\nX-Much: ${"x".repeat(20_000)}\n\n`;
    expect(await rejection(request)).toMatchObject({ status: 431, code: "headers_too_large" });
  });

  test("headers that take longer than HEADERS_TIMEOUT", async () => {
    const slow = await rejection("GET /v1/echo HTTP/1.1\nHost: a\n", { HEADERS_TIMEOUT: "200ms" });
    expect(slow).toMatchObject({ status: 408, code: "request_timeout" });
  });

  test("a body that takes longer than REQUEST_TIMEOUT", async () => {
    const { send, ended, received } = await open({ HEADERS_TIMEOUT: "200ms", REQUEST_TIMEOUT: "400ms" });
    send("POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 4\n\nbo");
    await ended;
    // The response of the echo endpoint has begun, so it can only be truncated.
    expect(received()).not.toMatch(/\r\n0\r\n\r\n$/);
  });
});

const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\nHost: a\nContent-Length: ${body.length}\n\n${body}`;

describe("a connection", () => {
  test("may carry pipelined requests, whose responses come in order", async () => {
    const { send, until, nano } = await open();
    nano.delay(80, { path: "/echo/1", times: 1 });
    send(post("/v1/echo/1", "first") + "GET /healthz HTTP/1.1\nHost: a\n\n" + post("/v1/echo/3", "third"));
    expect(await until(/third\r\n0/)).toMatch(/first[^]*alive[^]*third/);
  });

  test("is kept open after an error of Keylane or of upstream", async () => {
    const { send, until, nano } = await open();
    send("GET /nowhere HTTP/1.1\nHost: a\n\n");
    await until(/not_found/);
    nano.fail({ kind: "reset-before-headers" }, { path: "/v1/echo", times: 1 });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    await until(/upstream_error/);
    send("GET /healthz HTTP/1.1\nHost: a\n\n");
    await until(/alive/);
  });

  test("of HTTP/1.0 gets a response without chunks that ends with the connection", async () => {
    const { send, ended, received } = await open();
    send("GET /v1/slow-bytes?n=10&ms=1 HTTP/1.0\nHost: a\n\n");
    expect(await ended).toBe("fin");
    const [answer] = splitAnswers(received());
    expect(answer?.status).toBe(200);
    expect(answer?.head).not.toMatch(/transfer-encoding/i);
    expect(answer?.body).toHaveLength(10);
  });

  test("of HTTP/1.0 needs no Host", async () => {
    const { send, ended, received } = await open();
    send("GET /healthz HTTP/1.0\n\n");
    await ended;
    expect(splitAnswers(received())[0]?.status).toBe(200);
  });

  test("of HTTP/1.0 is reset if upstream's response was truncated", async () => {
    const { send, ended, nano } = await open();
    nano.fail({ kind: "cut-chunked" }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.0\nHost: a\n\n");
    expect(await ended).toBe("reset");
  });
});

describe("a response from upstream", () => {
  test("follows its interim responses", async () => {
    const { send, until, nano } = await open();
    nano.fail({ kind: "interim", statuses: [103] }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    const answers = splitAnswers(await until(/A good answer/));
    expect(answers.map(({ status }) => status)).toEqual([103, 200]);
    expect(answers[0]?.head).toMatch(/\nLink: <\/style.css>; rel=preload$/i);
    expect(answers[0]?.head).not.toMatch(/access-control|date/i);
  });

  test("comes without its interim responses over HTTP/1.0", async () => {
    const { send, ended, received, nano } = await open();
    nano.fail({ kind: "interim", statuses: [103] }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.0\nHost: a\n\n");
    await ended;
    expect(splitAnswers(received()).map(({ status }) => status)).toEqual([200]);
  });

  test("keeps the case, order and repetition of its header lines", async () => {
    const lines = "X-b: 1\r\nx-A: 2\r\nLINK: <a>\r\nX-b: 3\r\nlink: <b>\r\n";
    const { url } = await startRawUpstream(`HTTP/1.1 200 Fine\n${lines.replaceAll("\r", "")}Content-Length: 2\n\nok`);
    const { send, until } = await open({ PASSTHROUGH_URL: url });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    expect(await until(/ok$/)).toContain(`HTTP/1.1 200 Fine\r\n${lines}Content-Length: 2\r\n`);
  });

  test("without a length, which ends with its connection, is complete", async () => {
    const { url } = await startRawUpstream("HTTP/1.0 200 OK\n\nto the end");
    const { send, until } = await open({ PASSTHROUGH_URL: url });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    expect(await until(/\r\n0\r\n\r\n$/)).toContain("to the end");
  });
});
