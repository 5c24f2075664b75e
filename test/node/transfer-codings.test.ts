// A transfer coding other than chunked gets 501: forwarding without it would corrupt the body.
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { setup } from "../support/setup.ts";

const packed = gzipSync('{"model":"m"}');
const CHUNKS = `${packed.length.toString(16)}\n${"x".repeat(packed.length)}\n0\n\n`;

async function post(codings: string) {
  const { nano, keylane } = await setup();
  const { send, until, ended } = await openConnection(keylane.url);
  send(`POST /v1/chat/completions HTTP/1.1\nHost: a\nConnection: close\n${codings}\n\n${CHUNKS}`);
  const received = await until(/\r\n\r\n[^]*\}/);
  return { nano, ended, received };
}

describe("a transfer coding", () => {
  test.for([
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: GZip,Chunked",
    "Transfer-Encoding: deflate, gzip, chunked",
    "transfer-encoding: gzip\nTransfer-Encoding: chunked",
    "TE: gzip\nTransfer-Encoding: gzip, chunked",
  ])("before chunked gets 501: %s", async (codings) => {
    const { nano, received } = await post(codings);
    expect(received).toMatch(/^HTTP\/1\.1 501 /);
    expect(received).toContain('"code":"transfer_coding_not_supported"');
    expect(nano.seen).toHaveLength(0);
  });

  test.for(["Transfer-Encoding: chunked", "transfer-encoding: Chunked"])(
    "that is only chunked is accepted: %s",
    async (codings) => {
      const { nano, received } = await post(codings);
      expect(received).not.toMatch(/^HTTP\/1\.1 501 /);
      expect(nano.seen).toHaveLength(1);
    },
  );
});
