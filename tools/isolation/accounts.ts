import { randomUUID } from "node:crypto";
import type { Answer } from "./response.ts";
import { KEY_NAMES, type Target, type KeyName } from "./target.ts";
import { CannotCheck } from "./cannot-check.ts";

/** The list of one key. */
export interface Account {
  readonly ids: ReadonlySet<string>;
  /** The ids that the other key does not see. */
  readonly exclusive: readonly string[];
}

export interface Pair {
  readonly A: Account;
  readonly B: Account;
  readonly areEqual: boolean;
  /** The key that sees fewer models; its list cannot be the one that NanoGPT gives to everyone. */
  readonly smaller: KeyName;
}

/**
 * Fetches both keys' lists past every cache, with `no-store` and a query that was never used before.
 * Then purges both keys, so that no check receives a list stored before a model was hidden.
 * Throws CannotCheck if a key has no list.
 */
export async function fetchAccounts(target: Target): Promise<Pair> {
  const A = await fetchIds(target, "A");
  const B = await fetchIds(target, "B");
  for (const name of KEY_NAMES) await target.send(name, { method: "DELETE" });
  const exclusive = { A: [...A].filter((id) => !B.has(id)), B: [...B].filter((id) => !A.has(id)) };
  return {
    A: { ids: A, exclusive: exclusive.A },
    B: { ids: B, exclusive: exclusive.B },
    areEqual: exclusive.A.length === 0 && exclusive.B.length === 0,
    smaller: A.size < B.size ? "A" : "B",
  };
}

/** Classifies a list that a key received: its own, the other key's (foreign), or neither's, since one has changed. */
export function classifyList(ids: readonly string[], name: KeyName, pair: Pair): "own" | "foreign" | "changed" {
  const other = otherOf(name);
  if (isSame(ids, pair[name].ids)) return "own";
  const foreign = new Set(pair[other].exclusive);
  return ids.some((id) => foreign.has(id)) || isSame(ids, pair[other].ids) ? "foreign" : "changed";
}

/** Whether these are exactly the ids of an account. */
export function isSame(ids: readonly string[], account: ReadonlySet<string>): boolean {
  const distinct = new Set(ids);
  return distinct.size === account.size && [...distinct].every((id) => account.has(id));
}

export function otherOf(name: KeyName): KeyName {
  return name === "A" ? "B" : "A";
}

async function fetchIds(target: Target, name: KeyName): Promise<ReadonlySet<string>> {
  const path = `/models?isolation=${randomUUID()}`;
  const headers = { "cache-control": "no-store" };
  const answer = await target.send(name, { path, headers, mayFetch: true }).catch(throwNoAnswer);
  if (answer.status !== 200 || answer.ids === undefined) throw new CannotCheck(adviceFor(`KEY_${name}`, answer));
  if (answer.ids.length === 0) {
    throw new CannotCheck(`the list of KEY_${name} is empty. Make some models visible in that account.`);
  }
  return new Set(answer.ids);
}

function adviceFor(key: string, { status }: Answer): string {
  if (status === 200) return "what the address answers is no model list. Give the base URL of Keylane.";
  if (status === 401) return `${key} is refused (401). Set ${key} to a NanoGPT key that works.`;
  if (status === 403) return `${key} is refused (403), perhaps bound to web pages. Use a key without limits.`;
  if (status === 429) return `${key} has used up its requests (429). Wait, or use another key.`;
  if (status === 421) return "the instance does not know this host name (421). Use one of its ALLOWED_HOSTS.";
  if (status >= 500) {
    return `the instance answers, but gets no list from NanoGPT (${status}). See its log, and check its UPSTREAM_URL.`;
  }
  return `the address has no model list (${status}). Give the base URL of Keylane, such as http://127.0.0.1:8787/v1.`;
}

function throwNoAnswer(error: unknown): never {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const name = error instanceof Error ? error.name : "";
  if (/CERT|SIGNATURE|SELF_SIGNED|ALTNAME/.test(code)) {
    throw new CannotCheck(
      "the certificate at the address is not trusted here. Put its authority into NODE_EXTRA_CA_CERTS.",
    );
  }
  if (name === "TimeoutError" || /TIMEOUT|TIMEDOUT/.test(code)) {
    throw new CannotCheck("the address does not answer in time. Check it, or give it longer with --timeout.");
  }
  throw new CannotCheck("nobody answers at the address. Start Keylane (npm start), or give the URL of one that runs.");
}
