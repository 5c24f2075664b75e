import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { startWorkerd } from "../support/worker/workerd.ts";

const LAST_CHUNK = /\r\n0\r\n\r\n$/;

/** The Worker as it is deployed before an upstream that only listens, and a client half through a chunked upload. */
async function uploading(piece: string) {
  const closed = Promise.withResolvers<void>();
  const upstream = await startRawUpstream((socket) => socket.once("close", closed.resolve));
  const workerd = await startWorkerd(inject("deployedWorker"), { UPSTREAM_URL: upstream.url });
  onTestFinished(() => workerd.stop());
  const caller = connect({ port: Number(new URL(workerd.url).port), host: "127.0.0.1", allowHalfOpen: true });
  caller.on("error", () => {}).resume();
  onTestFinished(() => void caller.destroy());
  await once(caller, "connect");
  caller.write("POST /v1/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  caller.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  const heard = () => upstream.received.join("");
  await expect.poll(heard).toContain(piece);
  return { caller, heard, closed: closed.promise };
}

const CUTS: readonly { readonly cut: string; readonly make: (caller: Socket) => void }[] = [
  { cut: "closed", make: (caller) => void caller.destroy() },
  { cut: "reset", make: (caller) => void caller.resetAndDestroy() },
  { cut: "half-closed", make: (caller) => void caller.end() },
  { cut: "half-closed within a chunk", make: (caller) => void caller.end("10\r\nhalf") },
  { cut: "closed within a chunk", make: (caller) => void caller.end("10\r\nhalf", () => caller.destroy()) },
  { cut: "broken by a bad chunk", make: (caller) => void caller.write("zz\r\n") },
];

describe("a chunked upload that its client cuts never looks whole to upstream", () => {
  test.for(CUTS)("$cut", async ({ make }) => {
    const { caller, heard, closed } = await uploading("the first piece");
    make(caller);
    await Promise.race([closed, sleep(2000)]);
    expect(heard()).not.toMatch(LAST_CHUNK);
  });

  test("while one that ends does", async () => {
    const { caller, heard } = await uploading("the first piece");
    caller.write("0\r\n\r\n");
    await expect.poll(heard).toMatch(LAST_CHUNK);
  });
});
