import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { createServer } from "node:tls";
import { startNanoGpt } from "../../support/nanogpt/nanogpt.ts";

// The remote end: NanoGPT's stand-in behind TLS.
const [certPath = "", keyPath = "", key = ""] = process.argv.slice(2);
const nano = await startNanoGpt({ accounts: [{ key }] });
const { port } = new URL(nano.url);
const server = createServer({ cert: readFileSync(certPath), key: readFileSync(keyPath) }, (socket) => {
  const inner = connect(Number(port), "127.0.0.1").setNoDelay(true);
  socket.setNoDelay(true).pipe(inner).pipe(socket);
  for (const end of [socket, inner]) {
    end.on("error", () => {});
    end.on("close", () => (end === socket ? inner : socket).destroy());
  }
});
server.listen(443, "0.0.0.0", () => console.log("listens"));
