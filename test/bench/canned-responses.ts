import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "undici";
import { nodeServer, type Server, type OnCleanup } from "./processes.ts";
import type { LoadRequest } from "./load.ts";

const CONNECTION_FIELDS = new Set(["date", "connection", "keep-alive"]);

/** Starts the bare server with Keylane's responses to these requests, each at `/` and its name. */
export async function startCannedServer(
  keylane: Server,
  requests: ReadonlyMap<string, LoadRequest>,
  folder: string,
  onCleanup: OnCleanup,
): Promise<{ server: Server; etags: ReadonlyMap<string, string> }> {
  const responses: Record<string, unknown> = {};
  const etags = new Map<string, string>();
  for (const [name, { path, headers }] of requests) {
    const response = await request(keylane.url + path, { headers: headers ?? {} });
    const body = Buffer.from(await response.body.arrayBuffer());
    const fields = Object.entries(response.headers).filter(([field]) => !CONNECTION_FIELDS.has(field));
    responses[`/${name}`] = { fields: Object.fromEntries(fields), body: body.toString("base64") };
    etags.set(name, String(response.headers["etag"]));
  }
  const file = join(folder, `canned-${keylane.child.pid}.json`);
  await writeFile(file, JSON.stringify(responses));
  return { server: await nodeServer("test/bench/bare-server.ts", { CANNED_RESPONSES: file }, onCleanup), etags };
}
