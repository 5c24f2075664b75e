import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { clientAt, CLIENTS, findClient, type Client } from "./clients.ts";
import type { Plan } from "./operations.ts";
import { errorText, listText, queryKey, type FetchRecord } from "./record.ts";
import type { Trace } from "./trace.ts";

/** An upstream that records its fetches; every answer identifies its client, query and fetch. */
export interface RecordingUpstream {
  /** The base URL to give to Keylane. */
  readonly url: string;
  /** All fetches, by serial. */
  readonly records: readonly FetchRecord[];
  /** Describes the first request that Keylane must never send. */
  readonly violation: () => string | undefined;
  /** The number of a client's list requests in flight. */
  readonly inFlight: (client: number) => number;
  readonly plan: (client: number, plan: Plan) => void;
  readonly revoke: (client: number) => void;
  readonly restore: (client: number) => void;
  /** Starts a new version of the client's models. */
  readonly change: (client: number) => void;
  readonly version: (client: number) => number;
  stop(): Promise<void>;
}

interface Account {
  isRevoked: boolean;
  version: number;
  plan: Plan;
}

const NO_FAULT: Plan = { fault: "none", delayMs: 0, pauseMs: 0, coding: "identity" };
const LIST = /^\/base\/(personalized|subscription|paid)\/v1\/models(?:\?(.*))?$/;
// The headers that a list request may have besides the credential and Origin; a Worker's fetch adds the last two.
const ALLOWED_HEADERS = new Set("host connection accept accept-encoding user-agent cache-control pragma".split(" "));

export async function startRecordingUpstream(trace: Trace): Promise<RecordingUpstream> {
  const records: FetchRecord[] = [];
  const inFlight = new Set<FetchRecord>();
  let violation: string | undefined;
  const accounts = CLIENTS.map(({ kind }): Account => ({
    isRevoked: kind === "unknown",
    version: 0,
    plan: NO_FAULT,
  }));

  function account(client: number): Account {
    const found = accounts[client];
    if (found === undefined) throw new Error(`Cannot find an account: there must be one at ${client}`);
    return found;
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { headers, url = "" } = request;
    response.on("error", () => {});
    const bearer = headers.authorization?.replace(/^bearer +/i, "");
    const [, list, parameters = ""] = LIST.exec(url) ?? [];
    if (list === undefined) return echo(findClient(bearer ?? String(headers["x-api-key"])), request, response);
    const client = findClient(bearer);
    const extra = Object.keys(headers)
      .filter((name) => !ALLOWED_HEADERS.has(name))
      .sort();
    if (client === undefined || !/^authorization(,origin)?$/.test(extra.join())) {
      violation ??= `upstream received ${url} from ${client?.name ?? "an unknown client"} with ${extra.join()}`;
      response.writeHead(400).end();
      return;
    }
    const { plan, isRevoked, version } = account(client.index);
    account(client.index).plan = NO_FAULT;
    const query = { list, parameters, origin: headers.origin };
    const serial = records.length;
    const outcome = isRevoked ? 401 : outcomeOf(plan);
    const line = `  upstream receives fetch ${serial} of ${queryKey(query)}: ${plan.fault}, ${outcome} v${version}`;
    const record: FetchRecord = {
      serial,
      client: client.index,
      query,
      version,
      plan,
      outcome,
      arrived: trace.add(client.index, line),
      arrivedAtMs: Date.now(),
      answered: undefined,
    };
    records.push(record);
    inFlight.add(record);
    response.on("close", () => inFlight.delete(record));
    // Fails only if Keylane has closed the connection.
    answer(record, response).catch(() => response.destroy());
  }

  async function answer(record: FetchRecord, response: ServerResponse): Promise<void> {
    const { plan, outcome, serial, client } = record;
    if (plan.fault === "hang") return;
    if (plan.delayMs > 0) await sleep(plan.delayMs);
    record.answered = trace.add(client, `  upstream answers fetch ${serial}`);
    if (typeof outcome === "number") {
      // No client may get this header.
      const headers = { "Content-Type": "application/json", "X-Record": clientAt(client).name };
      response.writeHead(outcome, headers).end(errorText(record));
    } else if (plan.fault === "reset") response.socket?.resetAndDestroy();
    else if (plan.fault === "redirect") {
      // Following it would give a list that was not requested.
      response.writeHead(302, { Location: "/base/paid/v1/models?sort=elsewhere" }).end();
    } else await send(bodyOf(record), plan, response);
  }

  const server = createServer(handle);
  // An idle timeout just before the connection is used again would be an unplanned fault.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    records,
    violation: () => violation,
    inFlight: (client) => [...inFlight].filter((one) => one.client === client).length,
    plan: (client, plan) => void (account(client).plan = plan),
    revoke: (client) => void (account(client).isRevoked = true),
    restore: (client) => void (account(client).isRevoked = clientAt(client).kind === "unknown"),
    change: (client) => void account(client).version++,
    version: (client) => account(client).version,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

// Answers a passthrough call with the name of its client.
function echo(client: Client | undefined, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ echo: client?.name ?? "anonymous" }));
}

function outcomeOf({ fault }: Plan): FetchRecord["outcome"] {
  if (fault === "none" || fault === "hang") return "good";
  if (fault === "empty") return "empty";
  return /^\d+$/.test(fault) ? Number(fault) : "broken";
}

function bodyOf(record: FetchRecord): string {
  const { fault } = record.plan;
  if (fault === "bad-json") return listText(record).replace("[", "[[");
  const other = (record.client + 1) % CLIENTS.length;
  const otherList = listText({ ...record, client: other, outcome: "good" });
  if (fault === "other") return otherList.replace("{", '{"error":{"message":"no"},');
  return fault === "other-cut" ? otherList.slice(0, -1) : listText(record);
}

async function send(text: string, { fault, coding, pauseMs }: Plan, response: ServerResponse): Promise<void> {
  const sentCoding = fault === "cut-gzip" ? "gzip" : coding;
  let bytes = Buffer.from(text);
  if (sentCoding === "gzip") bytes = gzipSync(bytes, { level: 1 });
  if (fault === "cut-gzip") bytes = bytes.subarray(0, -12);
  const half = bytes.length >> 1;
  if (sentCoding !== "identity") response.setHeader("Content-Encoding", sentCoding);
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": bytes.length });
  if (pauseMs > 0 || fault === "cut") {
    response.write(bytes.subarray(0, half));
    await sleep(pauseMs);
    if (fault === "cut") return void response.destroy();
    response.end(bytes.subarray(half));
  } else response.end(bytes);
}
