import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { json, type Answer } from "./nanogpt/answer.ts";
import { credentialOf } from "./nanogpt/credential.ts";
import { invalidKey, rateLimited } from "./nanogpt/error-answers.ts";

/** A list request that upstream received. */
export interface HerdRequest {
  readonly key: string;
  readonly target: string;
  readonly origin: string | undefined;
  /** Ms since the epoch. */
  readonly at: number;
  /** Status of the response; 0 where there is none. */
  readonly status: number;
}

/** An upstream with thousands of keys, each with its own list, an optional rate limit, and keys that hang. */
export interface HerdUpstream {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** List requests that were answered or hang, in order. */
  readonly requests: readonly HerdRequest[];
  /** The most list requests open at one time since the start. */
  maxConcurrent(): number;
  /** How many list requests the client aborted. */
  aborted(): number;
  /** Allows `perSecond` list requests for all keys together, and bursts of that size; others get NanoGPT's 429. */
  limit(perSecond: number): void;
  /** Delays every list response. */
  delay(ms: number): void;
  /** Leaves list requests of these keys unanswered. */
  hang(isHanging: (key: string) => boolean): void;
}

/** The key of one client; upstream accepts every such key and no other. */
export const herdKey = (index: number): string => `sk-nano-test-herd-${index}`;

/** The ids of a key's list; the first is in no other key's list. */
export const idsOf = (key: string): string[] => [`only/${key}`, "shared/model"];

/** Starts one that is stopped when the test ends. `padding` adds that many random bytes to every list. */
export async function startHerdUpstream({ padding = 0 }: { padding?: number } = {}): Promise<HerdUpstream> {
  const requests: HerdRequest[] = [];
  const sockets = new Set<Socket>();
  // Random, so that no content coding makes it much smaller.
  const noise = randomBytes(Math.ceil((padding * 3) / 4)).toString("base64");
  let open = 0;
  let maxConcurrent = 0;
  let aborted = 0;
  let delayMs = 0;
  let takeToken = createTokenBucket(Infinity);
  let isHanging = never;

  function listResponse(key: string): Answer {
    if (!key.startsWith("sk-nano-test-herd-")) return invalidKey("This API key is not known.").answer;
    if (!takeToken()) return rateLimited(true, 1).answer;
    const data = idsOf(key).map((id) => ({ id, object: "model", created: 1_780_000_000, owned_by: "herd" }));
    return json(200, { object: "list", data, padding: noise === "" ? undefined : noise });
  }

  async function serve({ url = "", headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = credentialOf(headers) ?? "";
    if (!url.includes("/models")) return send(response, json(200, { passed: url }));
    open++;
    maxConcurrent = Math.max(maxConcurrent, open);
    response.once("close", () => {
      open--;
      if (!response.writableFinished) aborted++;
    });
    const record = (status: number) =>
      void requests.push({ key, target: url, origin: headers.origin, at: Date.now(), status });
    if (isHanging(key)) return record(0);
    const answer = listResponse(key);
    if (delayMs > 0) await sleep(delayMs);
    if (response.destroyed) return undefined;
    record(answer.status);
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
    requests,
    maxConcurrent: () => maxConcurrent,
    aborted: () => aborted,
    limit: (perSecond) => void (takeToken = createTokenBucket(perSecond)),
    delay: (ms) => void (delayMs = ms),
    hang: (which) => void (isHanging = which),
  };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.writeHead(status, { "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const never = (_key: string): boolean => false;

/** A token bucket: takes one token, or returns false where there is none. */
function createTokenBucket(perSecond: number): () => boolean {
  let tokens = perSecond;
  let at = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(perSecond, tokens + ((now - at) / 1000) * perSecond);
    at = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
