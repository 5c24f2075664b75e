import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { CALLERS, caller, callerOf, type Caller } from "./callers.ts";
import type { Journal } from "./trace.ts";
import type { Plan } from "./operations.ts";
import { errorText, listText, written, type Testimony } from "./record.ts";

/** An upstream every answer of which says who asked what, and which remembers all of them. */
export interface WitnessUpstream {
  /** The base URL to give to Keylane. */
  readonly url: string;
  /** What it answered, by serial. */
  readonly testimonies: readonly Testimony[];
  /** What Keylane must never have sent, in a sentence. */
  readonly fault: () => string | undefined;
  /** How many list requests of a caller lie here unanswered. */
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

export async function startWitness(journal: Journal): Promise<WitnessUpstream> {
  const testimonies: Testimony[] = [];
  const open = new Set<Testimony>();
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
    const serial = testimonies.length;
    const outcome = isRevoked ? 401 : outcomeOf(plan);
    const line = `  upstream ${serial} is asked for ${written(question)}: ${plan.fault}, ${outcome} v${version}`;
    const testimony: Testimony = {
      serial,
      caller: asking.index,
      question,
      version,
      plan,
      outcome,
      arrived: journal.note(asking.index, line),
      arrivedAtMs: Date.now(),
      answered: undefined,
    };
    testimonies.push(testimony);
    open.add(testimony);
    response.on("close", () => open.delete(testimony));
    // The caller of all this may have gone: there is nobody to tell.
    answer(testimony, response).catch(() => response.destroy());
  }

  async function answer(testimony: Testimony, response: ServerResponse): Promise<void> {
    const { plan, outcome, serial } = testimony;
    if (plan.fault === "hang") return;
    if (plan.delayMs > 0) await sleep(plan.delayMs);
    testimony.answered = journal.note(testimony.caller, `  upstream ${serial} answers`);
    if (typeof outcome === "number") {
      // A header of upstream's is for nobody.
      const headers = { "Content-Type": "application/json", "X-Witness": caller(testimony.caller).name };
      response.writeHead(outcome, headers).end(errorText(testimony));
    } else if (plan.fault === "reset") response.socket?.resetAndDestroy();
    else if (plan.fault === "redirect") {
      // Followed, it would lead to a list that was not asked for.
      response.writeHead(302, { Location: "/base/paid/v1/models?sort=elsewhere" }).end();
    } else await send(bodyOf(testimony), plan, response);
  }

  const server = createServer(hear);
  // An idle connection that ends by itself just when it is used again would be a fault nobody planned.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    testimonies,
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

function outcomeOf({ fault }: Plan): Testimony["outcome"] {
  if (fault === "none" || fault === "hang") return "good";
  if (fault === "empty") return "empty";
  return /^\d+$/.test(fault) ? Number(fault) : "broken";
}

function bodyOf(testimony: Testimony): string {
  const another = (testimony.caller + 1) % CALLERS.length;
  const others = listText({ ...testimony, caller: another, outcome: "good" });
  const { fault } = testimony.plan;
  if (fault === "bad-json") return listText(testimony).replace("[", "[[");
  if (fault === "other") return others.replace("{", '{"error":{"message":"no"},');
  return fault === "other-cut" ? others.slice(0, -1) : listText(testimony);
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
