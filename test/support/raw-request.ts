import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openConnection } from "./connection.ts";
import { credentialOf } from "./nanogpt/credential.ts";
import { parseAnswers, type RawAnswer } from "./wire-answers.ts";
import { ALICE, BOB, setup, type Setup } from "./setup.ts";
import { OLD } from "./stale-setup.ts";

/** The result of a request that was written byte by byte. */
export interface Outcome {
  /** Status and error code of each response, then the state of the connection: `in sync`, `closed` or `silent`. */
  readonly outcome: string;
  /** The requests that reached upstream, as `upstreamRequests` gives them. */
  readonly upstream: readonly string[];
  readonly answers: readonly RawAnswer[];
  readonly setup: Setup;
}

/** Bob's credential as a header line. */
export const BOB_HEADER: string = `Authorization: Bearer ${BOB}\n`;
/** The upstream request that Bob's list causes. */
export const BOB_LIST_REQUEST: string = `GET /api/personalized/v1/models ${BOB}`;

/** A GET request with the given header lines, by default Bob's credential. */
export const get = (target: string, fields: string = BOB_HEADER): string =>
  `GET ${target} HTTP/1.1\nHost: a\n${fields}\n`;

/** Starts a setup in which Keylane stores Alice's list. */
export async function primedSetup(settings: Record<string, string> = {}): Promise<Setup> {
  const all = await setup(settings);
  expect((await all.list(ALICE)).ids()).toEqual(OLD);
  all.nano.seen.length = 0;
  return all;
}

// Long enough for a busy machine; only requests that are never answered take it.
const SILENCE_MS = 4000;
const probe = (id: string) => `GET /healthz HTTP/1.1\nHost: a\nX-Request-Id: ${id}\n\n`;

/**
 * Sends a request to a Keylane that stores Alice's list, and two probes on the same connection: one directly behind the
 * request, one after the first is answered. No response may contain one of Alice's rows.
 * Line breaks are sent as CRLF, and control pictures (U+2400 and on) as the control character, since Latin-1 keeps the
 * low byte.
 */
export async function sendRawRequest(request: string, existing?: Setup): Promise<Outcome> {
  const all = existing ?? (await primedSetup());
  const { send, received, until, ended } = await openConnection(all.keylane.url);
  const closed = ended.then(() => "closed" as const);
  const stateAfterProbe = (id: string) => {
    const inSync = until(new RegExp(`x-request-id: ${id}\r[^]*?"alive"\\}`, "i")).then(() => "in sync" as const);
    const silence = sleep(SILENCE_MS, "silent" as const, { ref: false });
    return Promise.race([inSync.catch(() => closed), closed, silence]);
  };
  send(request + probe("behind"));
  let state = await stateAfterProbe("behind");
  if (state === "in sync") {
    send(probe("last"));
    state = await stateAfterProbe("last");
  }
  expect(OLD.filter((id) => received().includes(id))).toEqual([]);
  const parsed = parseAnswers(received(), request.startsWith("HEAD "));
  const answers = parsed.filter(({ head }) => !/^x-request-id: (?:behind|last)\r?$/im.test(head));
  const probeAnswers = parsed.slice(answers.length);
  // In sync: the responses to the request come first, then one response to each probe, and no other byte.
  if (state === "in sync") expect(probeAnswers.map(({ status, code }) => `${status}${code}`)).toEqual(["200", "200"]);
  else expect(probeAnswers).toEqual([]);
  return {
    outcome: [...answers.map(({ status, code }) => `${status} ${code}`.trim()), state].join(", "),
    upstream: upstreamRequests(all),
    answers,
    setup: all,
  };
}

/** Method, target and credential of each request that reached upstream; `anonymous` where there is no credential. */
export function upstreamRequests({ nano }: Setup): string[] {
  return nano.seen.map(({ method, target, headers }) => `${method} ${target} ${credentialOf(headers) ?? "anonymous"}`);
}
