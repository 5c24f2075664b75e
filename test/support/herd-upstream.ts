import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { json, type Answer } from "./nanogpt/answer.ts";
import { credentialOf } from "./nanogpt/credential.ts";
import { invalidKey, rateLimited } from "./nanogpt/refusals.ts";

/** A list request as the upstream met it. Instants in ms since the epoch. */
export interface Asked {
  readonly key: string;
  readonly target: string;
  readonly origin: string | undefined;
  readonly at: number;
  readonly status: number;
}

/** An upstream for crowds: thousands of keys with a list each, a limit of requests a second, keys that hang. */
export interface StormUpstream {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** List requests that were answered or hang (status 0), in order. */
  readonly asked: readonly Asked[];
  /** The most list requests that were open at one time since the start. */
  most(): number;
  /** How many list requests their caller gave up. */
  givenUp(): number;
  /** Lets so many list requests a second pass, all keys together, and as many at once; NanoGPT's own 429 for others. */
  limit(perSecond: number): void;
  /** Answers after so long. */
  delay(ms: number): void;
  /** Leaves the list requests of some keys without an answer, until told otherwise. */
  hang(isHanging: (key: string) => boolean): void;
}

/** The key of one guest in a crowd; the upstream knows every such key, and no other. */
export const guest = (index: number): string => `sk-nano-test-guest-${index}`;

/** The ids that make up a key's list: nobody else has them. */
export const idsOf = (key: string): string[] => [`only/${key}`, "shared/model"];

/** Starts one that is stopped when the test ends. `padding` makes every list longer by so many bytes of noise. */
export async function stormUpstream({ padding = 0 }: { padding?: number } = {}): Promise<StormUpstream> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  // No coding makes it much smaller.
  const noise = randomBytes(Math.ceil((padding * 3) / 4)).toString("base64");
  let open = 0;
  let most = 0;
  let givenUp = 0;
  let delayMs = 0;
  let bucket = bucketOf(Infinity);
  let isHanging = nobody;

  function listAnswer(key: string): Answer {
    if (!key.startsWith("sk-nano-test-guest-")) return invalidKey("This API key is not known.").answer;
    if (!bucket()) return rateLimited(true, 1).answer;
    const data = idsOf(key).map((id) => ({ id, object: "model", created: 1_780_000_000, owned_by: "storm" }));
    return json(200, { object: "list", data, padding: noise === "" ? undefined : noise });
  }

  async function serve({ url = "", headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = credentialOf(headers) ?? "";
    if (!url.includes("/models")) return send(response, json(200, { passed: url }));
    open++;
    most = Math.max(most, open);
    response.once("close", () => {
      open--;
      if (!response.writableFinished) givenUp++;
    });
    const note = (status: number) =>
      void asked.push({ key, target: url, origin: headers.origin, at: Date.now(), status });
    if (isHanging(key)) return note(0);
    const answer = listAnswer(key);
    if (delayMs > 0) await sleep(delayMs);
    // Nobody has heard it.
    if (response.destroyed) return undefined;
    note(answer.status);
    return send(response, answer);
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void serve(request, response);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    most: () => most,
    givenUp: () => givenUp,
    limit: (perSecond) => void (bucket = bucketOf(perSecond)),
    delay: (ms) => void (delayMs = ms),
    hang: (which) => void (isHanging = which),
  };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.writeHead(status, { "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const nobody = (_key: string): boolean => false;

/** A token bucket: takes one token, or says that there is none. */
function bucketOf(perSecond: number): () => boolean {
  let tokens = perSecond;
  let at = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(perSecond, tokens + ((now - at) / 1000) * perSecond);
    at = now;
    // A bucket without bottom stays what it is: Infinity - 1.
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
