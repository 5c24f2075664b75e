import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { Keylane } from "../keylane.ts";
import { caller as callerAt, SECRET } from "./callers.ts";
import { describeRequest, call, credential, type Seen } from "./client.ts";
import { createTrace } from "./trace.ts";
import { createOracle } from "./oracle.ts";
import type { ListOperation, Operation, Round } from "./operations.ts";
import type { Counters } from "./counters.ts";
import { startRecordingUpstream } from "./recording-upstream.ts";

export type Start = (settings: Record<string, string>) => Promise<Keylane>;

// More would queue up in the bulkhead and time out there.
const MOST_AT_ONCE = 24;
const NO_ANSWER_MS = 20_000;

/** Runs one round. Gives undefined, or the violation with its trace. */
export async function runRound(
  start: Start,
  round: Round,
  tally: Counters,
  hearingMs: number,
): Promise<string | undefined> {
  const log = createTrace();
  const upstream = await startRecordingUpstream(log);
  const keylane = await start({ UPSTREAM_URL: upstream.url, ...round.settings });
  const agent = new Agent({ headersTimeout: NO_ANSWER_MS, bodyTimeout: NO_ANSWER_MS });
  const refusalMaxAgeMs = round.settings["REFUSAL_MAX_AGE"] === "0" ? 0 : 2000;
  const verdicts = createOracle(upstream.records, refusalMaxAgeMs, hearingMs > 0);
  const { memory } = verdicts;
  const underWay = new Set<Promise<void>>();
  let violation: string | undefined;

  function condemn(caller: number | undefined, fault: string | undefined): void {
    if (fault === undefined || violation !== undefined) return;
    const settings = JSON.stringify(round.settings);
    violation = `${fault}\nsettings ${settings}; what concerns this caller:\n${log.history(caller)}`;
  }

  async function ask(operation: ListOperation): Promise<void> {
    const { caller, ifNoneMatch, leaveAfterMs, method } = operation;
    const one = describeRequest(operation, upstream.version(caller));
    if (ifNoneMatch !== undefined) {
      const owner = ifNoneMatch === "own" ? caller : operation.other;
      const tag = memory.lastEtag.get(one.view.replace(/^\d+/, String(owner)));
      if (tag !== undefined) one.headers["if-none-match"] = tag;
    }
    upstream.plan(caller, operation.plan);
    const begun = log.note(caller, `${callerAt(caller).name} ${method} ${one.path} ${shown(one.headers)}`);
    const seen = await call(agent, keylane.url + one.path, { method, headers: one.headers, leaveAfterMs });
    // Only then does it count for all.
    if (seen?.status === 401) await sleep(hearingMs);
    const ended = log.note(caller, `  gets ${seen === undefined ? "nothing, and left" : received(seen)} [${begun}]`);
    if (seen === undefined) return tally.count("left");
    tally.countAnswer(seen);
    condemn(caller, verdicts.answer(one, seen, { begun, ended }));
  }

  async function purge(caller: number, method: string): Promise<void> {
    tally.count(upstream.open(caller) > 0 ? "purge during a fetch" : "purge");
    const begun = log.note(caller, `${callerAt(caller).name} ${method}`);
    const span = { begun, ended: Number.POSITIVE_INFINITY, ms: 0 };
    const headers = credential({ caller, header: "x-api-key" });
    const seen = await call(agent, `${keylane.url}/v1/models`, { method, headers });
    await sleep(hearingMs);
    span.ended = log.note(caller, `  gets ${seen?.status} [${begun}]`);
    memory.purges(caller).push(span);
    if (seen?.status !== 204) condemn(caller, `a purge was answered with ${seen?.status}`);
  }

  async function advance(ms: number): Promise<void> {
    const span = {
      begun: log.note(undefined, `the clock moves ${ms} ms`),
      ended: Number.POSITIVE_INFINITY,
      ms,
    };
    memory.advances.push(span);
    await keylane.advance(ms);
    span.ended = log.note(undefined, `  has moved ${ms} ms`);
  }

  async function pass(caller: number | undefined): Promise<void> {
    const headers = caller === undefined ? {} : credential({ caller, header: caller % 2 ? "bearer" : "x-api-key" });
    const url = `${keylane.url}/v1/chat/completions`;
    const seen = await call(agent, url, { method: "POST", headers, body: "{}" });
    if (seen !== undefined) condemn(caller, verdicts.passed(caller, seen));
  }

  async function refused(headers: Record<string, string>, status: number, code: string): Promise<void> {
    const seen = await call(agent, `${keylane.url}/v1/models`, { method: "GET", headers });
    if (seen !== undefined) condemn(undefined, verdicts.refusedHere(seen, status, code));
  }

  async function perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case "ask":
        return ask(operation);
      case "purge":
        return purge(operation.caller, operation.method);
      case "advance":
        return advance(operation.ms);
      case "pass":
        return pass(operation.caller);
      case "anonymous":
        await pass(undefined);
        return refused({}, 401, "missing_api_key");
      case "ambiguous": {
        const { caller, other } = operation;
        if (caller === other) return;
        const keys = { "x-api-key": callerAt(other).credential };
        return refused({ ...credential({ caller, header: "Bearer" }), ...keys }, 400, "ambiguous_credentials");
      }
      case "revoke":
      case "readmit":
      case "change":
        log.note(operation.caller, `upstream: ${operation.kind}`);
        return upstream[operation.kind](operation.caller);
      case "settle":
        return void (await Promise.all(underWay));
      default:
        return operation satisfies never;
    }
  }

  function launch(operation: Operation): Promise<void> {
    const caller = "caller" in operation ? operation.caller : undefined;
    const work = perform(operation)
      .catch((fault: unknown) => condemn(caller, `no answer to ${operation.kind}: ${String(fault)}`))
      .finally(() => underWay.delete(work));
    underWay.add(work);
    return work;
  }

  for (const { gapMs, operation } of round.steps) {
    if (violation !== undefined) break;
    await (gapMs === 0 ? turn() : sleep(gapMs));
    const work = launch(operation);
    tally.operations++;
    if (operation.kind === "settle") await work;
    while (underWay.size >= MOST_AT_ONCE) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  condemn(undefined, upstream.fault());
  const leak = (await keylane.log()).find((line) => SECRET.test(line));
  condemn(undefined, leak && `a credential is in the log: ${leak}`);
  tally.countFlights(upstream.records, memory.revocations);
  await agent.destroy();
  await keylane.stop();
  await upstream.stop();
  return violation;
}

function shown(headers: Record<string, string>): string {
  const { authorization: _, "accept-encoding": __, "x-api-key": ___, ...rest } = headers;
  return JSON.stringify(rest);
}

function received({ status, headers, text }: Seen): string {
  const about = String(headers["cache-status"] ?? text.slice(0, 90));
  return `${status} ${about} ${status === 200 ? text.slice(0, 60) : ""} ${String(headers["age"] ?? "")}`;
}
