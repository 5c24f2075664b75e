import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { CALLERS, caller, callerOf, type Caller } from "./callers.ts";
import type { Trace } from "./trace.ts";
import type { Plan } from "./operations.ts";
import { errorText, listText, serializeRecord, type UpstreamRecord } from "./record.ts";

/** An upstream every answer of which says who asked what, and which remembers all of them. */
export interface RecordingUpstream {
  /** The base URL to give to Keylane. */
  readonly url: string;
  /** What it answered, by serial. */
  readonly records: readonly UpstreamRecord[];
  /** What Keylane must never have sent, in a sentence. */
  readonly fault: () => string | undefined;
  /** How many list requests of a client lie here unanswered. */
  readonly open: (caller: number) => number;
  readonly plan: (caller: number, plan: Plan) => void;
  readonly revoke: (caller: number) => void;
  readonly readmit: (caller: number) => void;
  readonly change: (caller: number) => void;
  readonly version: (caller: number) => number;
  stop(): Promise<void>;
}

interface Account {
  isRevoked: boolean;
  version: number;
  plan: Plan;
}

const AT_ONCE: Plan = { fault: "none", delayMs: 0, pauseMs: 0, coding: "identity" };
const LIST = /^\/base\/(personalized|subscription|paid)\/v1\/models(?:\?(.*))?$/;
// All that may stand in a list request beside the credential and Origin; a Worker's fetch adds the last two.
const FIELDS = new Set("host connection accept accept-encoding user-agent cache-control pragma".split(" "));

export async function startRecordingUpstream(trace: Trace): Promise<RecordingUpstream> {
  const records: UpstreamRecord[] = [];
  const open = new Set<UpstreamRecord>();
  let fault: string | undefined;
  const accounts = CALLERS.map(({ kind }): Account => ({
    isRevoked: kind === "stranger",
    version: 0,
    plan: AT_ONCE,
  }));

  function account(index: number): Account {
    const found = accounts[index];
    if (found === undefined) throw new Error(`Cannot find an account: there must be one of number ${index}`);
    return found;
  }

  function hear(request: IncomingMessage, response: ServerResponse): void {
    const { headers, url = "" } = request;
    response.on("error", () => {});
    const bearer = headers.authorization?.replace(/^bearer +/i, "");
    const [, list, query = ""] = LIST.exec(url) ?? [];
    if (list === undefined) return echo(callerOf(bearer ?? String(headers["x-api-key"])), request, response);
    const asking = callerOf(bearer);
    const extra = Object.keys(headers)
      .filter((name) => !FIELDS.has(name))
      .sort();
    if (asking === undefined || !/^authorization(,origin)?$/.test(extra.join())) {
      fault ??= `upstream was asked for ${url} by ${asking?.name ?? "nobody it knows"} with ${extra.join()}`;
      response.writeHead(400).end();
      return;
    }
    const { plan, isRevoked, version } = account(asking.index);
    account(asking.index).plan = AT_ONCE;
    const question = { list, query, origin: headers.origin };
    const serial = records.length;
    const outcome = isRevoked ? 401 : outcomeOf(plan);
    const line = `  upstream ${serial} is asked for ${serializeRecord(question)}: ${plan.fault}, ${outcome} v${version}`;
    const record: UpstreamRecord = {
      serial,
      caller: asking.index,
      question,
      version,
      plan,
      outcome,
      arrived: trace.note(asking.index, line),
      arrivedAtMs: Date.now(),
      answered: undefined,
    };
    records.push(record);
    open.add(record);
    response.on("close", () => open.delete(record));
    // The client of all this may have gone: there is nobody to tell.
    answer(record, response).catch(() => response.destroy());
  }

  async function answer(record: UpstreamRecord, response: ServerResponse): Promise<void> {
    const { plan, outcome, serial } = record;
    if (plan.fault === "hang") return;
    if (plan.delayMs > 0) await sleep(plan.delayMs);
    record.answered = trace.note(record.caller, `  upstream ${serial} answers`);
    if (typeof outcome === "number") {
      // A header of upstream's is for nobody.
      const headers = { "Content-Type": "application/json", "X-Record": caller(record.caller).name };
      response.writeHead(outcome, headers).end(errorText(record));
    } else if (plan.fault === "reset") response.socket?.resetAndDestroy();
    else if (plan.fault === "redirect") {
      // Followed, it would lead to a list that was not asked for.
      response.writeHead(302, { Location: "/base/paid/v1/models?sort=elsewhere" }).end();
    } else await send(bodyOf(record), plan, response);
  }

  const server = createServer(hear);
  // An idle connection that ends by itself just when it is used again would be a fault nobody planned.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    records,
    fault: () => fault,
    open: (index) => [...open].filter((one) => one.caller === index).length,
    plan: (index, plan) => void (account(index).plan = plan),
    revoke: (index) => void (account(index).isRevoked = true),
    readmit: (index) => void (account(index).isRevoked = caller(index).kind === "stranger"),
    change: (index) => void account(index).version++,
    version: (index) => account(index).version,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

// Tells a call that passes through whose it is.
function echo(from: Caller | undefined, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ echo: from?.name ?? "nobody" }));
}

function outcomeOf({ fault }: Plan): UpstreamRecord["outcome"] {
  if (fault === "none" || fault === "hang") return "good";
  if (fault === "empty") return "empty";
  return /^\d+$/.test(fault) ? Number(fault) : "broken";
}

function bodyOf(record: UpstreamRecord): string {
  const another = (record.caller + 1) % CALLERS.length;
  const others = listText({ ...record, caller: another, outcome: "good" });
  const { fault } = record.plan;
  if (fault === "bad-json") return listText(record).replace("[", "[[");
  if (fault === "other") return others.replace("{", '{"error":{"message":"no"},');
  return fault === "other-cut" ? others.slice(0, -1) : listText(record);
}

async function send(text: string, { fault, coding, pauseMs }: Plan, response: ServerResponse): Promise<void> {
  const coded = fault === "cut-gzip" ? "gzip" : coding;
  let bytes = Buffer.from(text);
  if (coded === "gzip") bytes = gzipSync(bytes, { level: 1 });
  if (fault === "cut-gzip") bytes = bytes.subarray(0, -12);
  const half = bytes.length >> 1;
  if (coded !== "identity") response.setHeader("Content-Encoding", coded);
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": bytes.length });
  if (pauseMs > 0 || fault === "cut") {
    response.write(bytes.subarray(0, half));
    await sleep(pauseMs);
    if (fault === "cut") return void response.destroy();
    response.end(bytes.subarray(half));
  } else response.end(bytes);
}
