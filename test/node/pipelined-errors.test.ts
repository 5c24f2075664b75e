// Requests before malformed bytes on a connection are answered in order; nothing after them is read as a request.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import {
  BOB_HEADER,
  BOB_LIST_REQUEST,
  get,
  sendRawRequest,
  primedSetup,
  upstreamRequests,
} from "../support/raw-request.ts";
import { BOB } from "../support/setup.ts";
import { OLD } from "../support/stale-setup.ts";
import { parseAnswers } from "../support/wire-answers.ts";

async function open(settings: Record<string, string> = {}) {
  const all = await primedSetup(settings);
  return { all, ...(await openConnection(all.keylane.url)) };
}

const summary = (received: string) => parseAnswers(received).map(({ status, code }) => `${status} ${code}`.trim());
const CHAT = '{"model":"standin","messages":[{"role":"user","content":"hi"}]}';
const chat = (length: number) =>
  `POST /v1/chat/completions HTTP/1.1\nHost: a\nContent-Type: application/json\nContent-Length: ${length}\n${BOB_HEADER}\n`;

describe("a request with an Upgrade header", () => {
  const upgrade = get(
    "/v1/models",
    `${BOB_HEADER}Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMA\n`,
  );

  test("is the last on its connection: the rest of the next one is not read as a request", async () => {
    const { all, send, ended, received } = await open();
    const hold = all.nano.hold({ key: BOB });
    // Node's parser drops the rest of the packet: the request below, but not its body that follows in another.
    send(`${upgrade}POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 43\n\n`);
    await hold.arrived;
    send("GET /v1/echo/smuggled HTTP/1.1\nHost: a\n\n");
    await sleep(50);
    hold.release();
    await ended;
    expect(summary(received())).toEqual(["200"]);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });

  test("closes the connection", async () => {
    const { send, ended, received } = await open();
    send(upgrade);
    expect(await ended).toBe("fin");
    expect(parseAnswers(received())[0]?.head).toMatch(/^connection: close\r?$/im);
  });
});

describe("a well-formed request is answered, whatever follows it:", () => {
  test.for([
    ["garbage", "garbage!"],
    ["a malformed header", "GET /v1/models HTTP/1.1\nBad Name: x\n\n"],
    ["an unknown version", "GET /v1/models HTTP/1.2\nHost: a\n\n"],
    ["two Content-Lengths", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\nab"],
  ] as const)("%s", async ([, rest]) => {
    const { all, send, ended, received } = await open();
    const hold = all.nano.hold({ key: BOB });
    send(get("/v1/models") + rest);
    await hold.arrived;
    hold.release();
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["200", "400 bad_request"]);
    expect(OLD.filter((id) => received().includes(id))).toEqual([]);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });

  test("a body longer than its Content-Length, as from a client that counts characters instead of bytes", async () => {
    const { all, send, ended, received } = await open();
    send(`${chat(CHAT.length)}${CHAT}é"}`);
    await ended;
    expect(summary(received())).toEqual(["200", "400 bad_request"]);
    expect(all.nano.seen.map(({ body }) => body.toString())).toEqual([CHAT]);
  });

  test("garbage after several requests", async () => {
    const { all, send, ended, received } = await open();
    const hold = all.nano.hold({ key: BOB });
    send(`${get("/v1/models")}${get("/healthz")}${get("/nowhere")}garbage\n\n`);
    await hold.arrived;
    hold.release();
    await ended;
    expect(summary(received())).toEqual(["200", "200", "404 not_found", "400 bad_request"]);
  });

  test("garbage after `Connection: close`", async () => {
    const { all, send, ended, received } = await open();
    const hold = all.nano.hold({ key: BOB });
    send(`${get("/v1/models", `${BOB_HEADER}Connection: close\n`)}garbage`);
    await hold.arrived;
    send("and more");
    await sleep(20);
    hold.release();
    await ended;
    expect(summary(received())).toEqual(["200"]);
  });
});

describe("the error for malformed bytes", () => {
  test("is not followed by a reset while the client is still sending", async () => {
    const { all } = await open();
    const { port, hostname } = new URL(all.keylane.url);
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    let received = "";
    const errors: Error[] = [];
    socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
    socket.on("error", (error) => errors.push(error));
    socket.write(`GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Much: ${"x".repeat(17_000)}`);
    for (let i = 0; i < 20; i++) {
      socket.write("x".repeat(1000));
      await sleep(5);
    }
    await expect.poll(() => received).toMatch(/\}\}$/);
    expect(summary(received)).toEqual(["431 headers_too_large"]);
    expect(errors).toEqual([]);
  });

  test("does not truncate a response that was already sent", async () => {
    const { send, ended, received } = await open();
    send("POST /v1/echo HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n5\nhello\n");
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["501 transfer_coding_not_supported"]);
  });

  test("is sent for an invalid chunk while upstream waits for the rest of the body", async () => {
    const { all, send, ended, received } = await open();
    send(chat(0).replace("Content-Length: 0", "Transfer-Encoding: chunked"));
    send(`5\n{"mod\n`);
    await expect.poll(() => all.nano.seen.length).toBe(1);
    send("nothing\n");
    await ended;
    expect(summary(received())).toEqual(["400 bad_request"]);
    await all.nano.seen[0]?.closed;
    expect(all.nano.seen[0]?.complete).toBe(false);
  });

  test.for(["1.1", "1.0"])("truncates a response that has begun, over HTTP/%s", async (version) => {
    const { send, until, ended, received } = await open();
    send(`POST /v1/echo HTTP/${version}\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n`);
    await until(/hello/);
    send("nothing\n");
    expect(await ended).toBe("reset");
    expect(received()).not.toMatch(/\r\n0\r\n\r\n$/);
  });
});

describe("a slow client", () => {
  const SHORT = { HEADERS_TIMEOUT: "200ms", REQUEST_TIMEOUT: "500ms" };

  test.for([
    ["with the headers of a list request", `GET /v1/models HTTP/1.1\nHost: a\n${BOB_HEADER}`],
    ["with the request line", "GET /v1/mod"],
  ])("%s gets an error", async ([, start = ""]) => {
    const { all, send, ended, received } = await open(SHORT);
    send(start);
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["408 request_timeout"]);
    expect(upstreamRequests(all)).toEqual([]);
  });

  test("that sends one byte at a time gets no more time", async () => {
    const { all, send, ended, received } = await open(SHORT);
    send("GET /v1/models HTTP/1.1\nX-Slow: ");
    for (let i = 0; i < 1000 && received() === ""; i++) {
      send("x");
      await sleep(20);
    }
    await ended;
    expect(summary(received())).toEqual(["408 request_timeout"]);
    expect(upstreamRequests(all)).toEqual([]);
  });

  test("with a body that a list does not need gets its list, and a closed connection", async () => {
    const { all, send, ended, received } = await open(SHORT);
    send(`GET /v1/models HTTP/1.1\nHost: a\nContent-Length: 50\n${BOB_HEADER}\nGET /v1/echo HTTP/1.1\n`);
    await ended;
    expect([summary(received())[0], ...upstreamRequests(all)]).toEqual(["200", BOB_LIST_REQUEST]);
  });

  test("with a body that upstream waits for gets an error, and upstream never a complete body", async () => {
    const { all, send, ended, received } = await open(SHORT);
    send(`${chat(500)}${CHAT}`);
    await ended;
    expect(summary(received())).toEqual(["408 request_timeout"]);
    await all.nano.seen[0]?.closed;
    expect(all.nano.seen.map(({ complete }) => complete)).toEqual([false]);
  });
});

describe("HTTP/1.0", () => {
  // RFC 9112 §6.1: HTTP/1.0 has no chunked coding, so the connection is closed after such a request.
  test.for([
    ["", "", "200, closed"],
    ["Connection: keep-alive\n", "", "200, in sync"],
    ["Connection: keep-alive\nTransfer-Encoding: chunked\n", "5\nhello\n0\n\n", "200, closed"],
  ] as const)("is answered once: %j", async ([fields, body, outcome]) => {
    const request = `GET /v1/models HTTP/1.0\nHost: a\n${fields}${BOB_HEADER}\n${body}`;
    expect(await sendRawRequest(request)).toMatchObject({ outcome, upstream: [BOB_LIST_REQUEST] });
  });
});
