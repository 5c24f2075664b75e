import { randomUUID } from "node:crypto";
import type { Answer } from "./response.ts";
import { NAMES, type Target, type Name } from "./target.ts";
import { CannotCheck } from "./cannot-check.ts";

/** What one key sees. */
export interface Account {
  readonly ids: ReadonlySet<string>;
  /** The ids that the other key does not see. */
  readonly alone: readonly string[];
}

export interface Pair {
  readonly A: Account;
  readonly B: Account;
  readonly areEqual: boolean;
  /** The key that sees fewer models: its list cannot be the one that everyone gets. */
  readonly narrower: Name;
}

/**
 * Learns what the two keys see, past every cache: with `no-store` and a query that nobody has used before.
 * Then lets the instance forget both, so that no check meets a list from before a model was hidden.
 * Throws Unusable where there is nothing to check.
 */
export async function connectAccounts(instance: Target): Promise<Pair> {
  const A = await idsPastCaches(instance, "A");
  const B = await idsPastCaches(instance, "B");
  for (const name of NAMES) await instance.ask(name, { method: "DELETE" });
  const alone = { A: [...A].filter((id) => !B.has(id)), B: [...B].filter((id) => !A.has(id)) };
  return {
    A: { ids: A, alone: alone.A },
    B: { ids: B, alone: alone.B },
    areEqual: alone.A.length === 0 && alone.B.length === 0,
    narrower: A.size < B.size ? "A" : "B",
  };
}

/** Says whose list the ids are, to a key that asked for its own. */
export function ownerOf(ids: readonly string[], name: Name, pair: Pair): "own" | "foreign" | "changed" {
  const other = otherOf(name);
  if (isSame(ids, pair[name].ids)) return "own";
  const foreign = new Set(pair[other].alone);
  return ids.some((id) => foreign.has(id)) || isSame(ids, pair[other].ids) ? "foreign" : "changed";
}

/** Says whether these are all the ids of an account, and no others. */
export function isSame(ids: readonly string[], account: ReadonlySet<string>): boolean {
  const found = new Set(ids);
  return found.size === account.size && [...found].every((id) => account.has(id));
}

export function otherOf(name: Name): Name {
  return name === "A" ? "B" : "A";
}

async function idsPastCaches(instance: Target, name: Name): Promise<ReadonlySet<string>> {
  const path = `/models?isolation=${randomUUID()}`;
  const fields = { "cache-control": "no-store" };
  const answer = await instance.ask(name, { path, fields, mayAsk: true }).catch(unanswered);
  if (answer.status !== 200 || answer.ids === undefined) throw new CannotCheck(reason(`KEY_${name}`, answer));
  if (answer.ids.length === 0) {
    throw new CannotCheck(`the list of KEY_${name} is empty. Make some models visible in that account.`);
  }
  return new Set(answer.ids);
}

function reason(key: string, { status }: Answer): string {
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

function unanswered(error: unknown): never {
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
