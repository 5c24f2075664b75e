import type { DetailedModel } from "./catalogue.ts";
import { isSignedToken } from "./credential.ts";
import type { Exchange } from "./exchange.ts";
import { dailyLimitExceeded, invalidKey, missingKey, originNotAllowed, paymentRequired } from "./error-answers.ts";

/** A customer account of the stand-in NanoGPT. */
export interface Account {
  readonly key: string;
  /** Ids of the models this account sees; all when undefined. */
  readonly visible?: readonly string[] | undefined;
  /** Browser origins the key is bound to; any other `Origin`, or none, gets 403. */
  readonly origins?: readonly string[] | undefined;
  /** Requests a day over all endpoints; one more gets 429. */
  readonly dailyLimit?: number | undefined;
  readonly revoked?: boolean | undefined;
  readonly expired?: boolean | undefined;
}

/** The accounts, their requests of the day and the used one-time tokens. */
export interface Accounts {
  set(account: Account): void;
  has(key: string): boolean;
  show(key: string, id: string): void;
  hide(key: string, id: string): void;
  revoke(key: string): void;
  /** Counts a request; throws an `ErrorAnswer` unless its key or token is valid and within its limits. */
  requireKey(exchange: Exchange): void;
  /** Counts a request that needs no key; throws an `ErrorAnswer` beyond a known key's daily limit. */
  countRequest(exchange: Exchange): void;
  /** `requireKey` for calls that cost money: an L402 payment replaces the key, and `x-x402` without one gets a quote. */
  requireKeyOrPayment(exchange: Exchange): void;
  /** The models that a key sees; all of them without a valid key. */
  modelsFor(key: string | undefined): readonly DetailedModel[];
}

/** Creates accounts over a catalogue. */
export function createAccounts(models: readonly DetailedModel[], initial: readonly Account[]): Accounts {
  const ids = new Set(models.map((model) => model.id));
  const accounts = new Map<string, Account>();
  const usage = new Map<string, { day: string; count: number }>();
  const usedTokens = new Set<string>();

  function requireAccount(key: string): Account {
    const account = accounts.get(key);
    if (account === undefined) throw new Error(`Cannot change an account: no account has the key "${key}"`);
    return account;
  }

  function set(account: Account): void {
    const unknown = account.visible?.find((id) => !ids.has(id));
    if (unknown !== undefined) throw new Error(`Cannot show a model that is not in the catalogue: ${unknown}`);
    accounts.set(account.key, account);
    usage.delete(account.key);
  }

  function withVisible(key: string, change: (visible: Set<string>) => void): void {
    const account = requireAccount(key);
    const visible = new Set(account.visible ?? ids);
    change(visible);
    accounts.set(key, { ...account, visible: [...visible] });
  }

  function countUse(account: Account): void {
    const now = new Date();
    const day = now.toISOString().slice(0, 10);
    const used = usage.get(account.key);
    const count = (used?.day === day ? used.count : 0) + 1;
    usage.set(account.key, { day, count });
    if (account.dailyLimit !== undefined && count > account.dailyLimit) throw dailyLimitExceeded(now);
  }

  function requireKey({ key, request }: Exchange): void {
    if (key === undefined) throw missingKey();
    const account = accounts.get(key);
    if (account === undefined) {
      if (!isSignedToken(key)) throw invalidKey("This API key is not known.");
      if (usedTokens.has(key)) throw invalidKey("This token has been used already.");
      usedTokens.add(key);
      return;
    }
    if (account.revoked === true) throw invalidKey("This API key has been revoked.");
    if (account.expired === true) throw invalidKey("This API key has expired.");
    if (account.origins !== undefined && !account.origins.includes(request.headers.origin ?? "")) {
      throw originNotAllowed();
    }
    countUse(account);
  }

  for (const account of initial) set(account);
  return {
    set,
    has: (key) => accounts.has(key),
    show(key, id) {
      if (!ids.has(id)) throw new Error(`Cannot show a model that is not in the catalogue: ${id}`);
      withVisible(key, (visible) => visible.add(id));
    },
    hide(key, id) {
      withVisible(key, (visible) => visible.delete(id));
    },
    revoke(key) {
      accounts.set(key, { ...requireAccount(key), revoked: true });
    },
    requireKey,
    countRequest({ key }) {
      const account = key === undefined ? undefined : accounts.get(key);
      if (account !== undefined) countUse(account);
    },
    requireKeyOrPayment(exchange) {
      const { authorization, "x-x402": offersPayment } = exchange.request.headers;
      if (/^l402 \S+:\S+$/i.test(authorization ?? "")) return;
      if (exchange.key === undefined && offersPayment === "true") throw paymentRequired();
      requireKey(exchange);
    },
    modelsFor(key) {
      const account = key === undefined ? undefined : accounts.get(key);
      if (account?.visible === undefined || account.revoked === true || account.expired === true) return models;
      const shown = new Set(account.visible);
      return models.filter((model) => shown.has(model.id));
    },
  };
}
