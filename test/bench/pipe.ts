import { Agent, createServer, request } from "node:http";
import { once } from "node:events";

// The minimum a Node proxy can do: it pipes the client's body up and UPSTREAM's response down, and reads no header field.
const upstream = new URL(process.env["UPSTREAM"] ?? "");
const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming;
  const { hostname, port } = upstream;
  const up = request({ agent, hostname, port, method, path, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.rawHeaders);
    response.pipe(outgoing);
  });
  up.on("error", () => outgoing.destroy());
  outgoing.on("close", () => up.destroy());
  incoming.pipe(up);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (typeof address === "object") process.stderr.write(`http://127.0.0.1:${address?.port}\n`);
