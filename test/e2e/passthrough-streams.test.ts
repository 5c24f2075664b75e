// Passthrough streams without delay or unbounded buffering, and a client disconnect aborts the upstream call.
import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import type { NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { responseTo, startCall, readAnswer, type PlainCall } from "../support/plain-call.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, setup } from "../support/setup.ts";

const CHAT = "/v1/chat/completions";
const ECHO = "/v1/echo";
const NEVER = new Promise<void>(() => {});

async function streamSetup(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  return { nano, start: (path: string, options?: PlainCall) => startCall(keylane.url + path, options) };
}

const streamedChat = (intervalMs: number, more = ""): PlainCall => ({
  method: "POST",
  fields: `Authorization: Bearer ${ALICE}\nx-standin-interval-ms: ${intervalMs}\n${more}`,
  body: JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c d" }] }),
});

const nextChunk = async (answer: IncomingMessage): Promise<string> => String((await once(answer, "data"))[0]);

async function* twoChunks(first: string, pause: Promise<unknown>, rest = "") {
  yield Buffer.from(first);
  await pause;
  yield Buffer.from(rest);
}

const firstCall = (nano: NanoGpt) => nano.seen[0];

describe("a byte", () => {
  test("of a response reaches the client before upstream sends the next, and the headers before any", async () => {
    const upstream = Promise.withResolvers<Socket>();
    const { url } = await startRawUpstream((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      upstream.resolve(socket);
    });
    const { start } = await streamSetup({ PASSTHROUGH_URL: url });
    const answer = await responseTo(start(CHAT, { method: "POST", body: "{}" }));
    const socket = await upstream.promise;
    for (const byte of "abc") {
      const received = nextChunk(answer);
      socket.write(`1\r\n${byte}\r\n`);
      expect(await received).toBe(byte);
    }
    socket.end("0\r\n\r\n");
    expect((await readAnswer(answer)).isComplete).toBe(true);
  });

  test.for(["", "x-standin-gzip: 1"])("of an event stream does not wait for its end (%s)", async (more) => {
    const { nano, start } = await streamSetup();
    const answer = await responseTo(start(CHAT, streamedChat(30, more)));
    await nextChunk(answer);
    const ended = nano.seen[0]?.closed.then(() => "ended");
    expect(await Promise.race([ended, sleep(1, "open")])).toBe("open");
    expect((await readAnswer(answer)).isComplete).toBe(true);
  });

  test("of a request reaches upstream, and is echoed, before the client sends the next", async () => {
    const { nano, start } = await streamSetup();
    const next = Promise.withResolvers<void>();
    const outgoing = start(ECHO, { method: "POST", body: twoChunks("one ", next.promise, "two") });
    const answer = await responseTo(outgoing);
    expect(await nextChunk(answer)).toBe("one ");
    expect(nano.seen[0]?.complete).toBe(false);
    next.resolve();
    expect((await readAnswer(answer)).text).toBe("two");
  });
});

describe("Keylane does not buffer without bound", () => {
  const MAX_MEGABYTES = 200;
  const megabyte = Buffer.alloc(2 ** 20);

  test("when a client does not read", async () => {
    let sent = 0;
    const { url } = await startRawUpstream((socket) => {
      const fill = () => {
        for (; sent < MAX_MEGABYTES && socket.write(megabyte); sent++);
        sent++;
      };
      socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
      socket.on("drain", fill);
      fill();
    });
    const { start } = await streamSetup({ PASSTHROUGH_URL: url });
    const outgoing = start(ECHO);
    (await responseTo(outgoing)).pause();
    await sleep(400);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(MAX_MEGABYTES / 4);
    outgoing.destroy();
  });

  test("when upstream does not read", async () => {
    const { url } = await startRawUpstream((socket) => socket.pause());
    const { start } = await streamSetup({ PASSTHROUGH_URL: url, MAX_BODY_SIZE: "1GB" });
    let sent = 0;
    const outgoing = start(ECHO, {
      method: "POST",
      body: (async function* () {
        for (; sent < MAX_MEGABYTES; sent++) yield megabyte;
      })(),
    });
    await sleep(400);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(MAX_MEGABYTES / 4);
    outgoing.destroy();
  });
});

// workerd notices a FIN only when it next writes, a reset at once.
const disconnect = (outgoing: ClientRequest) =>
  runtime === "node" ? outgoing.destroy() : outgoing.socket?.resetAndDestroy();

describe("a client disconnect aborts the upstream call at once", () => {
  test.for(["GET", "POST"])("before the response (%s)", async (method) => {
    const { nano, start } = await streamSetup();
    nano.fail({ kind: "hang-before-headers" }, { path: ECHO });
    const outgoing = start(ECHO, method === "GET" ? {} : { method, body: "{}" });
    await expect.poll(() => nano.seen[0]?.complete).toBe(true);
    disconnect(outgoing);
    await firstCall(nano)?.closed;
    expect(firstCall(nano)).toMatchObject({ aborted: true });
  });

  test("during the response", async () => {
    const { nano, start } = await streamSetup();
    const outgoing = start(CHAT, streamedChat(200));
    await nextChunk(await responseTo(outgoing));
    outgoing.destroy();
    await firstCall(nano)?.closed;
    expect(firstCall(nano)).toMatchObject({ complete: true, aborted: true });
  });

  test("during a response that has stopped sending bytes", async () => {
    const { nano, start } = await streamSetup();
    nano.fail({ kind: "hang-mid-body" }, { path: ECHO });
    const outgoing = start(ECHO);
    await nextChunk(await responseTo(outgoing));
    disconnect(outgoing);
    await firstCall(nano)?.closed;
    expect(firstCall(nano)).toMatchObject({ aborted: true });
  });

  test("during the upload", async () => {
    const { nano, start } = await streamSetup();
    nano.fail({ kind: "hang-before-headers" }, { path: ECHO });
    const outgoing = start(ECHO, { method: "POST", body: twoChunks("half", NEVER) });
    await expect.poll(() => nano.seen[0]?.body.toString()).toBe("half");
    disconnect(outgoing);
    await firstCall(nano)?.closed;
    expect(firstCall(nano)).toMatchObject({ complete: false, aborted: true });
  });

  test("and no other client's", async () => {
    const { nano, start } = await streamSetup();
    const remaining = await responseTo(start(CHAT, streamedChat(20)));
    const leaving = start(CHAT, streamedChat(20));
    await nextChunk(await responseTo(leaving));
    leaving.destroy();
    await nano.seen[1]?.closed;
    const { isComplete, text } = await readAnswer(remaining);
    expect(isComplete).toBe(true);
    expect(text).toContain("data: [DONE]\n\n");
    expect(nano.seen.map(({ aborted }) => aborted)).toEqual([false, true]);
  });
});
