import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "undici";
import { nodeServer, type Server, type OnCleanup } from "./processes.ts";
import type { LoadRequest } from "./load.ts";

const CONNECTIONS_OWN = new Set(["date", "connection", "keep-alive"]);

/** Starts the bare server with Keylane's own answers to these requests, each under `/` and its name. */
export async function startCannedServer(
  keylane: Server,
  asked: ReadonlyMap<string, LoadRequest>,
  folder: string,
  stops: OnCleanup,
): Promise<{ server: Server; etags: ReadonlyMap<string, string> }> {
  const answers: Record<string, unknown> = {};
  const etags = new Map<string, string>();
  for (const [name, { path, headers }] of asked) {
    const answer = await request(keylane.url + path, { headers: headers ?? {} });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const fields = Object.entries(answer.headers).filter(([field]) => !CONNECTIONS_OWN.has(field));
    answers[`/${name}`] = { fields: Object.fromEntries(fields), body: body.toString("base64") };
    etags.set(name, String(answer.headers["etag"]));
  }
  const file = join(folder, `prepared-${keylane.child.pid}.json`);
  await writeFile(file, JSON.stringify(answers));
  return { server: await nodeServer("test/bench/bare-server.ts", { PREPARED: file }, stops), etags };
}
