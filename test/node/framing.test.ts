import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, setup } from "../support/setup.ts";

async function open(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  return { nano, keylane, ...(await openConnection(keylane.url)) };
}

/** Splits what was heard into its answers; enough for answers with a Content-Length or none. */
function answers(heard: string) {
  return heard.split(/(?=HTTP\/1\.1 \d{3} )/).map((text) => {
    const [head = "", body = ""] = text.split("\r\n\r\n");
    return { status: Number(head.slice(9, 12)), head, body };
  });
}

/** What is said to a request that is refused, and that the connection is closed behind it. */
async function refusal(request: string, settings: Record<string, string> = {}) {
  const { send, received, ended, nano } = await open(settings);
  send(request);
  expect(await ended).toBe("fin");
  expect(nano.seen).toHaveLength(0);
  const [answer, ...more] = answers(received());
  expect(more).toEqual([]);
  const error = answer?.body === "" ? undefined : JSON.parse(answer?.body ?? "").error;
  return { status: answer?.status, code: error?.code as unknown, head: answer?.head ?? "" };
}

describe("a request that is not good HTTP is refused in OpenAI's shape", () => {
  const authorization = `Authorization: Bearer ${ALICE}\n`;
  test.for<readonly [string, string]>([
    ["a malformed field", "GET /v1/echo HTTP/1.1\nHost: a\nBad Name: x\n\n"],
    ["no HTTP at all", "hello\n\n"],
    ["a length and chunks", `POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n`],
    ["two lengths", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 4\n\nabc"],
    ["a length that is none", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: -1\n\n"],
    ["a coding below chunks", "POST /v1/echo HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, gzip\n\n0\n\n"],
    ["folded lines", "GET /v1/echo HTTP/1.1\nHost: a\nX-A: 1\n 2\n\n"],
  ])("%s", async ([, request]) => {
    expect(await refusal(request)).toMatchObject({ status: 400, code: "bad_request" });
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
    expect(await refusal(closing)).toMatchObject({ status: 400, code: "bad_request" });
  });

  test("CONNECT", async () => {
    const { status, code, head } = await refusal("CONNECT other.invalid:443 HTTP/1.1\nHost: other.invalid:443\n\n");
    expect({ status, code }).toEqual({ status: 405, code: "method_not_allowed" });
    expect(head).toMatch(/\nAllow: .*POST/i);
  });

  test("more header bytes than fit", async () => {
    const request = `GET /v1/echo HTTP/1.1\nHost: a\nX-Much: ${"x".repeat(20_000)}\n\n`;
    expect(await refusal(request)).toMatchObject({ status: 431, code: "headers_too_large" });
  });

  test("headers that take longer than HEADERS_TIMEOUT", async () => {
    const slow = await refusal("GET /v1/echo HTTP/1.1\nHost: a\n", { HEADERS_TIMEOUT: "200ms" });
    expect(slow).toMatchObject({ status: 408, code: "request_timeout" });
  });

  test("a body that takes longer than REQUEST_TIMEOUT", async () => {
    const { send, ended, received } = await open({ HEADERS_TIMEOUT: "200ms", REQUEST_TIMEOUT: "400ms" });
    send("POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 4\n\nbo");
    await ended;
    // The echo has begun its answer: what is left to do is to break it.
    expect(received()).not.toMatch(/\r\n0\r\n\r\n$/);
  });
});

const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\nHost: a\nContent-Length: ${body.length}\n\n${body}`;

describe("a connection", () => {
  test("may carry requests that do not wait for each other, and answers come in their order", async () => {
    const { send, until, nano } = await open();
    nano.delay(80, { path: "/echo/1", times: 1 });
    send(post("/v1/echo/1", "first") + "GET /healthz HTTP/1.1\nHost: a\n\n" + post("/v1/echo/3", "third"));
    expect(await until(/third\r\n0/)).toMatch(/first[^]*alive[^]*third/);
  });

  test("is kept after an error of ours, and after one of upstream's", async () => {
    const { send, until, nano } = await open();
    send("GET /nowhere HTTP/1.1\nHost: a\n\n");
    await until(/not_found/);
    nano.fail({ kind: "reset-before-headers" }, { path: "/v1/echo", times: 1 });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    await until(/upstream_error/);
    send("GET /healthz HTTP/1.1\nHost: a\n\n");
    await until(/alive/);
  });

  test("of HTTP/1.0 gets an answer without chunks, closed at its end", async () => {
    const { send, ended, received } = await open();
    send("GET /v1/slow-bytes?n=10&ms=1 HTTP/1.0\nHost: a\n\n");
    expect(await ended).toBe("fin");
    const [answer] = answers(received());
    expect(answer?.status).toBe(200);
    expect(answer?.head).not.toMatch(/transfer-encoding/i);
    expect(answer?.body).toHaveLength(10);
  });

  test("of HTTP/1.0 needs no Host", async () => {
    const { send, ended, received } = await open();
    send("GET /healthz HTTP/1.0\n\n");
    await ended;
    expect(answers(received())[0]?.status).toBe(200);
  });

  test("of HTTP/1.0 does not end cleanly where upstream's answer was cut", async () => {
    const { send, ended, nano } = await open();
    nano.fail({ kind: "cut-chunked" }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.0\nHost: a\n\n");
    expect(await ended).toBe("reset");
  });
});

describe("an answer of upstream's", () => {
  test("comes down behind its interim answers", async () => {
    const { send, until, nano } = await open();
    nano.fail({ kind: "interim", statuses: [103] }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    const heard = answers(await until(/A good answer/));
    expect(heard.map(({ status }) => status)).toEqual([103, 200]);
    expect(heard[0]?.head).toMatch(/\nLink: <\/style.css>; rel=preload$/i);
    expect(heard[0]?.head).not.toMatch(/access-control|date/i);
  });

  test("comes down without its interim answers where HTTP/1.0 could not read them", async () => {
    const { send, ended, received, nano } = await open();
    nano.fail({ kind: "interim", statuses: [103] }, { path: "/v1/echo" });
    send("GET /v1/echo HTTP/1.0\nHost: a\n\n");
    await ended;
    expect(answers(received()).map(({ status }) => status)).toEqual([200]);
  });

  test("keeps the case, order and repetition of its field lines on the wire", async () => {
    const lines = "X-b: 1\r\nx-A: 2\r\nLINK: <a>\r\nX-b: 3\r\nlink: <b>\r\n";
    const { url } = await startRawUpstream(`HTTP/1.1 200 Fine\n${lines.replaceAll("\r", "")}Content-Length: 2\n\nok`);
    const { send, until } = await open({ PASSTHROUGH_URL: url });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    expect(await until(/ok$/)).toContain(`HTTP/1.1 200 Fine\r\n${lines}Content-Length: 2\r\n`);
  });

  test("that ends with its connection, and has no length, comes down whole", async () => {
    const { url } = await startRawUpstream("HTTP/1.0 200 OK\n\nto the end");
    const { send, until } = await open({ PASSTHROUGH_URL: url });
    send("GET /v1/echo HTTP/1.1\nHost: a\n\n");
    expect(await until(/\r\n0\r\n\r\n$/)).toContain("to the end");
  });
});
