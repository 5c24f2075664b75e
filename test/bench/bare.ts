import { createServer } from "node:http";
import { once } from "node:events";

// The least a Node server can do: the same bytes and fields as Keylane's, no questions asked.
const body = Buffer.from(process.env["BODY"] ?? "", "base64");
const fields = JSON.parse(process.env["HEADERS"] ?? "{}");
for (const name of ["date", "connection", "keep-alive"]) delete fields[name];
const server = createServer((incoming, outgoing) => {
  if (incoming.headers["if-none-match"] === undefined) outgoing.writeHead(200, fields).end(body);
  else {
    const { "content-length": _, ...rest } = fields;
    outgoing.writeHead(304, rest).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (typeof address === "object") process.stderr.write(`http://127.0.0.1:${address?.port}\n`);
