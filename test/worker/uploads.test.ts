// A chunked upload that its client does not complete never looks complete to upstream.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { startWorkerd } from "../support/worker/workerd.ts";

const LAST_CHUNK = /\r\n0\r\n\r\n$/;

/** Starts the deployed Worker in front of an upstream that only reads, and a chunked upload that is not complete. */
async function startUpload(piece: string) {
  const closed = Promise.withResolvers<void>();
  const upstream = await startRawUpstream((socket) => socket.once("close", closed.resolve));
  const workerd = await startWorkerd(inject("deployedWorker"), { UPSTREAM_URL: upstream.url });
  onTestFinished(() => workerd.stop());
  const client = connect({ port: Number(new URL(workerd.url).port), host: "127.0.0.1", allowHalfOpen: true });
  client.on("error", () => {}).resume();
  onTestFinished(() => void client.destroy());
  await once(client, "connect");
  client.write("POST /v1/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  const received = () => upstream.received.join("");
  await expect.poll(received).toContain(piece);
  return { client, received, closed: closed.promise };
}

const BREAKS: readonly { readonly how: string; readonly breakOff: (client: Socket) => void }[] = [
  { how: "closed", breakOff: (client) => void client.destroy() },
  { how: "reset", breakOff: (client) => void client.resetAndDestroy() },
  { how: "half-closed", breakOff: (client) => void client.end() },
  { how: "half-closed within a chunk", breakOff: (client) => void client.end("10\r\nhalf") },
  { how: "closed within a chunk", breakOff: (client) => void client.end("10\r\nhalf", () => client.destroy()) },
  { how: "continued with an invalid chunk", breakOff: (client) => void client.write("zz\r\n") },
];

describe("a chunked upload", () => {
  test.for(BREAKS)("never looks complete to upstream if its connection is $how", async ({ breakOff }) => {
    const { client, received, closed } = await startUpload("the first piece");
    breakOff(client);
    await Promise.race([closed, sleep(2000)]);
    expect(received()).not.toMatch(LAST_CHUNK);
  });

  test("looks complete to upstream once its last chunk is sent", async () => {
    const { client, received } = await startUpload("the first piece");
    client.write("0\r\n\r\n");
    await expect.poll(received).toMatch(LAST_CHUNK);
  });
});
