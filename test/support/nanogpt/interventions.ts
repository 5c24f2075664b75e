import type { ReceivedRequest } from "./exchange.ts";
import { isListRequest } from "./lists.ts";
import { credentialOf } from "./credential.ts";

/** Selects the future requests that an intervention applies to. */
export interface Where {
  /** Number of requests; all, until cleared, when undefined. */
  readonly times?: number | undefined;
  /** Substring of the request target; list routes only when undefined. */
  readonly path?: string | undefined;
  /** The client's key; any when undefined. */
  readonly key?: string | undefined;
}

/** Effects on future requests. */
export interface Interventions<Effect> {
  add(effect: Effect, where?: Where): void;
  /** The effect on a request: of the limited ones the oldest that has `times` left, else the newest permanent one. */
  take(seen: ReceivedRequest): Effect | undefined;
  clear(): void;
}

/** Creates interventions of one kind: faults, delays or holds. */
export function createInterventions<Effect>(): Interventions<Effect> {
  const limited: { effect: Effect; left: number; where: Where }[] = [];
  const permanent: { effect: Effect; where: Where }[] = [];
  return {
    add(effect, where = {}) {
      if (where.times === undefined) permanent.push({ effect, where });
      else limited.push({ effect, left: where.times, where });
    },
    take(seen) {
      const next = limited.find((rule) => rule.left > 0 && matches(rule.where, seen));
      if (next === undefined) return permanent.findLast((rule) => matches(rule.where, seen))?.effect;
      next.left -= 1;
      return next.effect;
    },
    clear() {
      limited.length = 0;
      permanent.length = 0;
    },
  };
}

function matches(where: Where, seen: ReceivedRequest): boolean {
  if (where.key !== undefined && credentialOf(seen.headers) !== where.key) return false;
  return where.path === undefined ? isListRequest(seen) : seen.target.includes(where.path);
}
