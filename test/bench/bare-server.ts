import { createServer } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";

// The least a Node server can do: the same bytes and fields as Keylane's, no questions asked. PREPARED names a file of
// answers by path (test/bench/canned-responses.ts).
interface Prepared {
  readonly fields: Record<string, string>;
  readonly body: string;
}
const prepared: Record<string, Prepared> = JSON.parse(await readFile(process.env["PREPARED"] ?? "", "utf8"));
const answers = new Map(
  Object.entries(prepared).map(([path, { fields, body }]) => [path, { fields, body: Buffer.from(body, "base64") }]),
);
const server = createServer((incoming, outgoing) => {
  const answer = answers.get(incoming.url ?? "");
  if (answer === undefined) outgoing.writeHead(404).end();
  else if (incoming.headers["if-none-match"] === undefined) outgoing.writeHead(200, answer.fields).end(answer.body);
  else {
    const { "content-length": _, ...rest } = answer.fields;
    outgoing.writeHead(304, rest).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (typeof address === "object") process.stderr.write(`http://127.0.0.1:${address?.port}\n`);
