import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { Keylane } from "../keylane.ts";
import { clientAt, SECRET } from "./clients.ts";
import type { Counters } from "./counters.ts";
import type { ListOperation, Operation, Round } from "./operations.ts";
import { createOracle } from "./oracle.ts";
import { startRecordingUpstream } from "./recording-upstream.ts";
import { buildRequest, credentialHeaders, send, type ReceivedAnswer } from "./requests.ts";
import { createTrace } from "./trace.ts";

export type StartKeylane = (settings: Record<string, string>) => Promise<Keylane>;

// More would wait for a fetch slot and time out.
const MAX_CONCURRENT = 24;
const RESPONSE_TIMEOUT_MS = 20_000;

/** Runs one round. Gives undefined, or the first violation with its trace. */
export async function runRound(
  start: StartKeylane,
  round: Round,
  counters: Counters,
  purgeDeliveryMs: number,
): Promise<string | undefined> {
  const trace = createTrace();
  const upstream = await startRecordingUpstream(trace);
  const keylane = await start({ UPSTREAM_URL: upstream.url, ...round.settings });
  const agent = new Agent({ headersTimeout: RESPONSE_TIMEOUT_MS, bodyTimeout: RESPONSE_TIMEOUT_MS });
  const refusalMaxAgeMs = round.settings["REFUSAL_MAX_AGE"] === "0" ? 0 : 2000;
  const oracle = createOracle(upstream.records, refusalMaxAgeMs, purgeDeliveryMs > 0);
  const { state } = oracle;
  const running = new Set<Promise<void>>();
  let violation: string | undefined;

  function report(client: number | undefined, found: string | undefined): void {
    if (found === undefined || violation !== undefined) return;
    const settings = JSON.stringify(round.settings);
    violation = `${found}\nsettings ${settings}; last events of this client:\n${trace.history(client)}`;
  }

  async function requestList(operation: ListOperation): Promise<void> {
    const { client, ifNoneMatch, leaveAfterMs, method } = operation;
    const request = buildRequest(operation, upstream.version(client));
    const { path, headers } = request;
    if (ifNoneMatch !== undefined) {
      const owner = ifNoneMatch === "own" ? client : operation.other;
      const etag = state.lastEtag.get(request.view.replace(/^\d+/, String(owner)));
      if (etag !== undefined) headers["if-none-match"] = etag;
    }
    upstream.plan(client, operation.plan);
    const begun = trace.add(client, `${clientAt(client).name} ${method} ${path} ${loggedHeaders(headers)}`);
    const answer = await send(agent, keylane.url + path, { method, headers, leaveAfterMs });
    // Until then a peer may not know of the 401.
    if (answer?.status === 401) await sleep(purgeDeliveryMs);
    const ended = trace.add(
      client,
      `  gets ${answer === undefined ? "nothing, and left" : summary(answer)} [${begun}]`,
    );
    if (answer === undefined) return counters.count("left");
    counters.countAnswer(answer);
    report(client, oracle.checkAnswer(request, answer, { begun, ended }));
  }

  async function purge(client: number, method: string): Promise<void> {
    counters.count(upstream.inFlight(client) > 0 ? "purge during a fetch" : "purge");
    const begun = trace.add(client, `${clientAt(client).name} ${method}`);
    const span = { begun, ended: Number.POSITIVE_INFINITY, ms: 0 };
    const headers = credentialHeaders({ client, header: "x-api-key" });
    const answer = await send(agent, `${keylane.url}/v1/models`, { method, headers });
    await sleep(purgeDeliveryMs);
    span.ended = trace.add(client, `  gets ${answer?.status} [${begun}]`);
    state.purges(client).push(span);
    if (answer?.status !== 204) report(client, `a purge was answered with ${answer?.status}`);
  }

  async function advance(ms: number): Promise<void> {
    const begun = trace.add(undefined, `the clock advances ${ms} ms`);
    const span = { begun, ended: Number.POSITIVE_INFINITY, ms };
    state.advances.push(span);
    await keylane.advance(ms);
    span.ended = trace.add(undefined, `  has advanced ${ms} ms`);
  }

  async function passThrough(client: number | undefined): Promise<void> {
    const header = client !== undefined && client % 2 ? "bearer" : "x-api-key";
    const headers = client === undefined ? {} : credentialHeaders({ client, header });
    const url = `${keylane.url}/v1/chat/completions`;
    const answer = await send(agent, url, { method: "POST", headers, body: "{}" });
    if (answer !== undefined) report(client, oracle.checkPassthrough(client, answer));
  }

  async function expectRejection(headers: Record<string, string>, status: number, code: string): Promise<void> {
    const answer = await send(agent, `${keylane.url}/v1/models`, { method: "GET", headers });
    if (answer !== undefined) report(undefined, oracle.checkRejection(answer, status, code));
  }

  async function perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case "list":
        return requestList(operation);
      case "purge":
        return purge(operation.client, operation.method);
      case "advance":
        return advance(operation.ms);
      case "passthrough":
        return passThrough(operation.client);
      case "anonymous":
        await passThrough(undefined);
        return expectRejection({}, 401, "missing_api_key");
      case "ambiguous": {
        const { client, other } = operation;
        if (client === other) return;
        const headers = credentialHeaders({ client, header: "Bearer" });
        headers["x-api-key"] = clientAt(other).credential;
        return expectRejection(headers, 400, "ambiguous_credentials");
      }
      case "revoke":
      case "restore":
      case "change":
        trace.add(operation.client, `upstream: ${operation.kind}`);
        return upstream[operation.kind](operation.client);
      case "settle":
        return void (await Promise.all(running));
      default:
        return operation satisfies never;
    }
  }

  function launch(operation: Operation): Promise<void> {
    const client = "client" in operation ? operation.client : undefined;
    const work = perform(operation)
      .catch((error: unknown) => report(client, `no answer to ${operation.kind}: ${String(error)}`))
      .finally(() => running.delete(work));
    running.add(work);
    return work;
  }

  for (const { gapMs, operation } of round.steps) {
    if (violation !== undefined) break;
    await (gapMs === 0 ? nextTurn() : sleep(gapMs));
    const work = launch(operation);
    counters.operations++;
    if (operation.kind === "settle") await work;
    while (running.size >= MAX_CONCURRENT) await Promise.race(running);
  }
  await Promise.all(running);
  report(undefined, upstream.violation());
  const leak = (await keylane.log()).find((line) => SECRET.test(line));
  report(undefined, leak && `a credential is in the log: ${leak}`);
  counters.countFetches(upstream.records, state.revocations);
  await agent.destroy();
  await keylane.stop();
  await upstream.stop();
  return violation;
}

function loggedHeaders(headers: Record<string, string>): string {
  const { authorization: _, "accept-encoding": __, "x-api-key": ___, ...rest } = headers;
  return JSON.stringify(rest);
}

function summary({ status, headers, text }: ReceivedAnswer): string {
  const outcome = String(headers["cache-status"] ?? text.slice(0, 90));
  return `${status} ${outcome} ${status === 200 ? text.slice(0, 60) : ""} ${String(headers["age"] ?? "")}`;
}
