import type { Seen } from "./exchange.ts";
import { isListRequest } from "./lists.ts";
import { credentialOf } from "./credential.ts";

/** Which of the coming requests an intervention is for. */
export interface Where {
  /** How many requests; without it all of them, until cleared. */
  readonly times?: number | undefined;
  /** A part of the request target; without it list routes only. */
  readonly path?: string | undefined;
  /** The client's key; without it any client. */
  readonly key?: string | undefined;
}

/** What is to happen to coming requests. */
export interface Interventions<Effect> {
  add(effect: Effect, where?: Where): void;
  /** Is the effect for a request, if any: those of limited times in the order given, else the newest standing one. */
  take(seen: Seen): Effect | undefined;
  clear(): void;
}

/** Keeps one kind of intervention: faults, delays or holds. */
export function createInterventions<Effect>(): Interventions<Effect> {
  const limited: { effect: Effect; left: number; where: Where }[] = [];
  const standing: { effect: Effect; where: Where }[] = [];
  return {
    add(effect, where = {}) {
      if (where.times === undefined) standing.push({ effect, where });
      else limited.push({ effect, left: where.times, where });
    },
    take(seen) {
      const next = limited.find((rule) => rule.left > 0 && isFor(rule.where, seen));
      if (next === undefined) return standing.findLast((rule) => isFor(rule.where, seen))?.effect;
      next.left -= 1;
      return next.effect;
    },
    clear() {
      limited.length = 0;
      standing.length = 0;
    },
  };
}

function isFor(where: Where, seen: Seen): boolean {
  if (where.key !== undefined && credentialOf(seen.headers) !== where.key) return false;
  return where.path === undefined ? isListRequest(seen) : seen.target.includes(where.path);
}
