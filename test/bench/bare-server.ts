import { createServer } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";

// The minimum a Node server can do: it sends the same bytes and header fields as Keylane, and checks nothing.
// CANNED_RESPONSES names a file of responses by path (test/bench/canned-responses.ts).
interface CannedResponse {
  readonly fields: Record<string, string>;
  readonly body: string;
}
const canned: Record<string, CannedResponse> = JSON.parse(
  await readFile(process.env["CANNED_RESPONSES"] ?? "", "utf8"),
);
const responses = new Map(
  Object.entries(canned).map(([path, { fields, body }]) => [path, { fields, body: Buffer.from(body, "base64") }]),
);
const server = createServer((incoming, outgoing) => {
  const response = responses.get(incoming.url ?? "");
  if (response === undefined) outgoing.writeHead(404).end();
  else if (incoming.headers["if-none-match"] === undefined) outgoing.writeHead(200, response.fields).end(response.body);
  else {
    const { "content-length": _, ...rest } = response.fields;
    outgoing.writeHead(304, rest).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (typeof address === "object") process.stderr.write(`http://127.0.0.1:${address?.port}\n`);
