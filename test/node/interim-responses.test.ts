// Interim responses are dropped, not buffered, for a client that does not read.
import { once } from "node:events";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { setup } from "../support/setup.ts";

// More than the kernel buffers for a client that does not read.
const TIMES = 8000;
const INTERIM = `HTTP/1.1 103 Early Hints\r\nX-Much: ${"x".repeat(8000)}\r\n\r\n`;

test("interim responses do not accumulate for a client that reads none of them", async () => {
  const sent = Promise.withResolvers<void>();
  const { url } = await startRawUpstream((socket) => {
    socket.write(INTERIM.repeat(TIMES));
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", () => sent.resolve());
  });
  const { keylane } = await setup({ PASSTHROUGH_URL: url });
  const { port, hostname } = new URL(keylane.url);
  const socket = connect(Number(port), hostname).pause();
  onTestFinished(() => void socket.destroy());
  socket.write("GET /v1/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await sent.promise;
  let bytes = 0;
  socket.on("data", (data: Buffer) => (bytes += data.length));
  socket.resume();
  await once(socket, "end");
  expect(bytes).toBeLessThan((INTERIM.length * TIMES) / 2);
});
