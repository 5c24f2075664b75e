import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import type { NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { answerTo, begun, readAnswer, type PlainCall } from "../support/plain-call.ts";
import { rawUpstream } from "../support/raw-upstream.ts";
import { ALICE, scene } from "../support/setup.ts";

const CHAT = "/v1/chat/completions";
const ECHO = "/v1/echo";
const NEVER = new Promise<void>(() => {});

async function streamScene(settings: Record<string, string> = {}) {
  const { nano, keylane } = await scene(settings);
  return { nano, begin: (path: string, options?: PlainCall) => begun(keylane.url + path, options) };
}

const streamedChat = (intervalMs: number, more = ""): PlainCall => ({
  method: "POST",
  fields: `Authorization: Bearer ${ALICE}\nx-standin-interval-ms: ${intervalMs}\n${more}`,
  body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c d" }] }),
});

const someBytes = async (answer: IncomingMessage): Promise<string> => String((await once(answer, "data"))[0]);

async function* firstThen(first: string, then: Promise<unknown>, rest = "") {
  yield Buffer.from(first);
  await then;
  yield Buffer.from(rest);
}

const first = (nano: NanoGpt) => nano.seen[0];

describe("a byte", () => {
  test("of an answer reaches the caller before upstream sends the next, and the head before any", async () => {
    const upstream = Promise.withResolvers<Socket>();
    const { url } = await rawUpstream((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      upstream.resolve(socket);
    });
    const { begin } = await streamScene({ PASSTHROUGH_URL: url });
    const answer = await answerTo(begin(CHAT, { method: "POST", body: "{}" }));
    const socket = await upstream.promise;
    for (const byte of "abc") {
      const came = someBytes(answer);
      socket.write(`1\r\n${byte}\r\n`);
      expect(await came).toBe(byte);
    }
    socket.end("0\r\n\r\n");
    expect((await readAnswer(answer)).isWhole).toBe(true);
  });

  test.for(["", "x-standin-gzip: 1"])("of an event stream does not wait for its end (%s)", async (more) => {
    const { nano, begin } = await streamScene();
    const answer = await answerTo(begin(CHAT, streamedChat(30, more)));
    await someBytes(answer);
    const over = nano.seen[0]?.closed.then(() => "over");
    expect(await Promise.race([over, sleep(1, "goes on")])).toBe("goes on");
    expect((await readAnswer(answer)).isWhole).toBe(true);
  });

  test("of a request reaches upstream before the caller sends the next, and is answered before", async () => {
    const { nano, begin } = await streamScene();
    const next = Promise.withResolvers<void>();
    const outgoing = begin(ECHO, { method: "POST", body: firstThen("one ", next.promise, "two") });
    const answer = await answerTo(outgoing);
    expect(await someBytes(answer)).toBe("one ");
    expect(nano.seen[0]?.complete).toBe(false);
    next.resolve();
    expect((await readAnswer(answer)).text).toBe("two");
  });
});

describe("bytes that are not wanted yet are not hoarded", () => {
  const FAR_TOO_MANY = 200;
  const megabyte = Buffer.alloc(2 ** 20);

  test("when a caller does not read", async () => {
    let sent = 0;
    const { url } = await rawUpstream((socket) => {
      const pour = () => {
        for (; sent < FAR_TOO_MANY && socket.write(megabyte); sent++);
        sent++;
      };
      socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
      socket.on("drain", pour);
      pour();
    });
    const { begin } = await streamScene({ PASSTHROUGH_URL: url });
    const outgoing = begin(ECHO);
    (await answerTo(outgoing)).pause();
    await sleep(400);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(FAR_TOO_MANY / 4);
    outgoing.destroy();
  });

  test("when upstream does not read", async () => {
    const { url } = await rawUpstream((socket) => socket.pause());
    const { begin } = await streamScene({ PASSTHROUGH_URL: url, MAX_BODY_SIZE: "1GB" });
    let sent = 0;
    const outgoing = begin(ECHO, {
      method: "POST",
      body: (async function* () {
        for (; sent < FAR_TOO_MANY; sent++) yield megabyte;
      })(),
    });
    await sleep(400);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(FAR_TOO_MANY / 4);
    outgoing.destroy();
  });
});

// workerd notices a plain close when it next writes, a reset at once.
const leave = (outgoing: ClientRequest) =>
  runtime === "node" ? outgoing.destroy() : outgoing.socket?.resetAndDestroy();

describe("a caller who leaves ends the call upstream at once", () => {
  test.for(["GET", "POST"])("before there is an answer (%s)", async (method) => {
    const { nano, begin } = await streamScene();
    nano.fail({ kind: "hang-before-headers" }, { path: ECHO });
    const outgoing = begin(ECHO, method === "GET" ? {} : { method, body: "{}" });
    await expect.poll(() => nano.seen[0]?.complete).toBe(true);
    leave(outgoing);
    await first(nano)?.closed;
    expect(first(nano)).toMatchObject({ aborted: true });
  });

  test("within the answer", async () => {
    const { nano, begin } = await streamScene();
    const outgoing = begin(CHAT, streamedChat(200));
    await someBytes(await answerTo(outgoing));
    outgoing.destroy();
    await first(nano)?.closed;
    expect(first(nano)).toMatchObject({ complete: true, aborted: true });
  });

  test("between two bytes of the answer, of which the second never comes", async () => {
    const { nano, begin } = await streamScene();
    nano.fail({ kind: "hang-mid-body" }, { path: ECHO });
    const outgoing = begin(ECHO);
    await someBytes(await answerTo(outgoing));
    leave(outgoing);
    await first(nano)?.closed;
    expect(first(nano)).toMatchObject({ aborted: true });
  });

  test("within the upload", async () => {
    const { nano, begin } = await streamScene();
    nano.fail({ kind: "hang-before-headers" }, { path: ECHO });
    const outgoing = begin(ECHO, { method: "POST", body: firstThen("half", NEVER) });
    await expect.poll(() => nano.seen[0]?.body.toString()).toBe("half");
    leave(outgoing);
    await first(nano)?.closed;
    expect(first(nano)).toMatchObject({ complete: false, aborted: true });
  });

  test("and no other's", async () => {
    const { nano, begin } = await streamScene();
    const stays = await answerTo(begin(CHAT, streamedChat(20)));
    const leaves = begin(CHAT, streamedChat(20));
    await someBytes(await answerTo(leaves));
    leaves.destroy();
    await nano.seen[1]?.closed;
    const { isWhole, text } = await readAnswer(stays);
    expect(isWhole).toBe(true);
    expect(text).toContain("data: [DONE]\n\n");
    expect(nano.seen.map(({ aborted }) => aborted)).toEqual([false, true]);
  });
});
