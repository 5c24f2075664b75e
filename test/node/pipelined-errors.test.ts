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

const summary = (heard: string) => parseAnswers(heard).map(({ status, code }) => `${status} ${code}`.trim());
const CHAT = '{"model":"standin","messages":[{"role":"user","content":"hi"}]}';
const chat = (length: number) =>
  `POST /v1/chat/completions HTTP/1.1\nHost: a\nContent-Type: application/json\nContent-Length: ${length}\n${BOB_HEADER}\n`;

describe("what is sent behind an offer to upgrade", () => {
  const offer = get(
    "/v1/models",
    `${BOB_HEADER}Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMA\n`,
  );

  test("is never read from its middle on, as a request", async () => {
    const { all, send, ended, received } = await open();
    const slow = all.nano.hold({ key: BOB });
    // Node's parser drops the rest of the packet: the head below, but not the body that follows in another.
    send(`${offer}POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 43\n\n`);
    await slow.arrived;
    send("GET /v1/echo/smuggled HTTP/1.1\nHost: a\n\n");
    await sleep(50);
    slow.release();
    await ended;
    expect(summary(received())).toEqual(["200"]);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });

  test("closes the connection where that is the only way to keep in sync", async () => {
    const { send, ended, received } = await open();
    send(offer);
    expect(await ended).toBe("fin");
    expect(parseAnswers(received())[0]?.head).toMatch(/^connection: close\r?$/im);
  });
});

describe("a good request is answered, whatever comes behind it:", () => {
  test.for([
    ["garbage", "garbage!"],
    ["a bad field", "GET /v1/models HTTP/1.1\nBad Name: x\n\n"],
    ["a bad version", "GET /v1/models HTTP/1.2\nHost: a\n\n"],
    ["two lengths", "POST /v1/echo HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\nab"],
  ] as const)("%s", async ([, rest]) => {
    const { all, send, ended, received } = await open();
    const slow = all.nano.hold({ key: BOB });
    send(get("/v1/models") + rest);
    await slow.arrived;
    slow.release();
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["200", "400 bad_request"]);
    expect(OLD.filter((id) => received().includes(id))).toEqual([]);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });

  test("a body longer than its length, as of who counts characters and not bytes", async () => {
    const { all, send, ended, received } = await open();
    send(`${chat(CHAT.length)}${CHAT}é"}`);
    await ended;
    expect(summary(received())).toEqual(["200", "400 bad_request"]);
    expect(all.nano.seen.map(({ body }) => body.toString())).toEqual([CHAT]);
  });

  test("behind others that wait", async () => {
    const { all, send, ended, received } = await open();
    const slow = all.nano.hold({ key: BOB });
    send(`${get("/v1/models")}${get("/healthz")}${get("/nowhere")}garbage\n\n`);
    await slow.arrived;
    slow.release();
    await ended;
    expect(summary(received())).toEqual(["200", "200", "404 not_found", "400 bad_request"]);
  });

  test("and where its client has said that it is its last", async () => {
    const { all, send, ended, received } = await open();
    const slow = all.nano.hold({ key: BOB });
    send(`${get("/v1/models", `${BOB_HEADER}Connection: close\n`)}garbage`);
    await slow.arrived;
    send("and more");
    await sleep(20);
    slow.release();
    await ended;
    expect(summary(received())).toEqual(["200"]);
  });
});

describe("an error about what was sent", () => {
  test("is not followed by a reset, as long as its client goes on sending", async () => {
    const { all } = await open();
    const { port, hostname } = new URL(all.keylane.url);
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    let heard = "";
    const errors: Error[] = [];
    socket.on("data", (data: Buffer) => (heard += data.toString("latin1")));
    socket.on("error", (error) => errors.push(error));
    socket.write(`GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Much: ${"x".repeat(17_000)}`);
    for (let i = 0; i < 20; i++) {
      socket.write("x".repeat(1000));
      await sleep(5);
    }
    await expect.poll(() => heard).toMatch(/\}\}$/);
    expect(summary(heard)).toEqual(["431 headers_too_large"]);
    expect(errors).toEqual([]);
  });

  test("does not cut the answer that was given already", async () => {
    const { send, ended, received } = await open();
    send("POST /v1/echo HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n5\nhello\n");
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["501 transfer_coding_not_supported"]);
  });

  test("is sent where chunks become invalid while upstream waits for more", async () => {
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

  test.for(["1.1", "1.0"])("breaks an answer that has begun: of HTTP/%s", async (version) => {
    const { send, until, ended, received } = await open();
    send(`POST /v1/echo HTTP/${version}\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n`);
    await until(/hello/);
    send("nothing\n");
    expect(await ended).toBe("reset");
    expect(received()).not.toMatch(/\r\n0\r\n\r\n$/);
  });
});

describe("a client who is slow", () => {
  const SHORT = { HEADERS_TIMEOUT: "200ms", REQUEST_TIMEOUT: "500ms" };

  test.for([
    ["with the head of a list's request", `GET /v1/models HTTP/1.1\nHost: a\n${BOB_HEADER}`],
    ["with the first line", "GET /v1/mod"],
  ])("%s gets an error", async ([, start = ""]) => {
    const { all, send, ended, received } = await open(SHORT);
    send(start);
    expect(await ended).toBe("fin");
    expect(summary(received())).toEqual(["408 request_timeout"]);
    expect(upstreamRequests(all)).toEqual([]);
  });

  test("with one byte at a time is not waited for longer", async () => {
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

  test("with a body that a list does not need has its answer, and loses the connection", async () => {
    const { all, send, ended, received } = await open(SHORT);
    send(`GET /v1/models HTTP/1.1\nHost: a\nContent-Length: 50\n${BOB_HEADER}\nGET /v1/echo HTTP/1.1\n`);
    await ended;
    expect([summary(received())[0], ...upstreamRequests(all)]).toEqual(["200", BOB_LIST_REQUEST]);
  });

  test("with a body that upstream waits for gets an error, and upstream gets no end of the body", async () => {
    const { all, send, ended, received } = await open(SHORT);
    send(`${chat(500)}${CHAT}`);
    await ended;
    expect(summary(received())).toEqual(["408 request_timeout"]);
    await all.nano.seen[0]?.closed;
    expect(all.nano.seen.map(({ complete }) => complete)).toEqual([false]);
  });
});

describe("HTTP/1.0", () => {
  // RFC 9112 §6.1: chunks have no place in it, so the connection is closed behind such a request.
  test.for([
    ["", "", "200, closed"],
    ["Connection: keep-alive\n", "", "200, in sync"],
    ["Connection: keep-alive\nTransfer-Encoding: chunked\n", "5\nhello\n0\n\n", "200, closed"],
  ] as const)("is answered once: %j", async ([fields, body, outcome]) => {
    const request = `GET /v1/models HTTP/1.0\nHost: a\n${fields}${BOB_HEADER}\n${body}`;
    expect(await sendRawRequest(request)).toMatchObject({ outcome, upstream: [BOB_LIST_REQUEST] });
  });
});
