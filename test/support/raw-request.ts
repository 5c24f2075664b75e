import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { connection } from "./connection.ts";
import { credentialOf } from "./nanogpt/credential.ts";
import { answersIn, type RawAnswer } from "./wire-answers.ts";
import { ALICE, BOB, scene, type Scene } from "./setup.ts";
import { OLD } from "./stale-setup.ts";

/** What came of a request that was written byte by byte. */
export interface Outcome {
  /** Status and code of every answer to it, and how it left the connection: `in step`, `closed` or `silent`. */
  readonly outcome: string;
  /** What upstream saw: method, target and credential of each request. */
  readonly upstream: readonly string[];
  readonly answers: readonly RawAnswer[];
  readonly scene: Scene;
}

/** Bob's credential, as a field line. */
export const BOBS: string = `Authorization: Bearer ${BOB}\n`;
/** What upstream sees when Bob's list is asked for. */
export const BOBS_LIST: string = `GET /api/personalized/v1/models ${BOB}`;

/** Writes a GET with the given field lines, Bob's credential unless told. */
export const get = (target: string, fields: string = BOBS): string =>
  `GET ${target} HTTP/1.1\nHost: a\n${fields}\n`;

/** Starts a scene in which Keylane holds Alice's list. */
export async function primed(settings: Record<string, string> = {}): Promise<Scene> {
  const all = await scene(settings);
  expect((await all.list(ALICE)).ids()).toEqual(OLD);
  all.nano.seen.length = 0;
  return all;
}

// Long enough for a busy machine; only what is never answered waits for it.
const SILENCE_MS = 4000;
const follow = (id: string) => `GET /healthz HTTP/1.1\nHost: a\nX-Request-Id: ${id}\n\n`;

/**
 * Sends a request to a Keylane that holds Alice's list, and two of our own on the same connection: one directly behind
 * it, one when that has been answered. No answer may hold a row of hers.
 * Line breaks go out as CRLF; a pictured control (U+2400 and on) goes out as the control itself, as Latin-1 cuts it.
 */
export async function odd(request: string, at?: Scene): Promise<Outcome> {
  const all = at ?? (await primed());
  const { say, heard, until, ended } = await connection(all.keylane.url);
  const closed = ended.then(() => "closed" as const);
  const answerTo = (id: string) => {
    const inStep = until(new RegExp(`x-request-id: ${id}\r[^]*?"alive"\\}`, "i")).then(
      () => "in step" as const,
    );
    const silence = sleep(SILENCE_MS, "silent" as const, { ref: false });
    return Promise.race([inStep.catch(() => closed), closed, silence]);
  };
  say(request + follow("behind"));
  let left = await answerTo("behind");
  if (left === "in step") {
    say(follow("last"));
    left = await answerTo("last");
  }
  expect(OLD.filter((id) => heard().includes(id))).toEqual([]);
  const answers = answersIn(heard(), request.startsWith("HEAD "));
  const own = answers.filter(({ head }) => !/^x-request-id: (?:behind|last)\r?$/im.test(head));
  const ours = answers.slice(own.length);
  // In step means: first what it was told, then one answer for each of ours, and not a byte besides.
  if (left === "in step") expect(ours.map(({ status, code }) => `${status}${code}`)).toEqual(["200", "200"]);
  else expect(ours).toEqual([]);
  return {
    outcome: [...own.map(({ status, code }) => `${status} ${code}`.trim()), left].join(", "),
    upstream: seenBy(all),
    answers: own,
    scene: all,
  };
}

/** Tells what upstream saw: method, target and credential of each request. */
export function seenBy({ nano }: Scene): string[] {
  return nano.seen.map(
    ({ method, target, headers }) => `${method} ${target} ${credentialOf(headers) ?? "nobody"}`,
  );
}
