import type { DetailedModel } from "./catalogue.ts";
import { isSignedToken } from "./credential.ts";
import type { Exchange } from "./exchange.ts";
import { dailyLimitExceeded, invalidKey, missingKey, originNotAllowed, paymentRequired } from "./refusals.ts";

/** A customer of NanoGPT, as the stand-in knows one. */
export interface Account {
  readonly key: string;
  /** Ids of the models this account sees; all of them when left out. */
  readonly visible?: readonly string[] | undefined;
  /** Browser origins the key is bound to; any other `Origin`, or none, is refused with 403. */
  readonly origins?: readonly string[] | undefined;
  /** Requests a day, across endpoints; a further one is refused with 429. */
  readonly dailyLimit?: number | undefined;
  readonly revoked?: boolean | undefined;
  readonly expired?: boolean | undefined;
}

/** The accounts and what they have used up. */
export interface AccountBook {
  set(account: Account): void;
  has(key: string): boolean;
  show(key: string, id: string): void;
  hide(key: string, id: string): void;
  revoke(key: string): void;
  /** Lets a list request pass that needs a good key, or throws the refusal. */
  admitToChecked(exchange: Exchange): void;
  /** Lets a list request pass that anyone may make; a known key's day is counted all the same. */
  admitToOpen(exchange: Exchange): void;
  /** Lets a call pass that costs money: with a good key, or with a payment of its own. */
  admitToCall(exchange: Exchange): void;
  /** Is the part of the catalogue that a key sees; all of it for no key and for one that is no good. */
  modelsFor(key: string | undefined): readonly DetailedModel[];
}

/** Opens the book of accounts over a catalogue. */
export function createAccountBook(models: readonly DetailedModel[], initial: readonly Account[]): AccountBook {
  const ids = new Set(models.map((model) => model.id));
  const accounts = new Map<string, Account>();
  const usage = new Map<string, { day: string; count: number }>();
  const spentTokens = new Set<string>();

  function known(key: string): Account {
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
    const account = known(key);
    const visible = new Set(account.visible ?? ids);
    change(visible);
    accounts.set(key, { ...account, visible: [...visible] });
  }

  function spend(account: Account): void {
    const now = new Date();
    const day = now.toISOString().slice(0, 10);
    const used = usage.get(account.key);
    const count = (used?.day === day ? used.count : 0) + 1;
    usage.set(account.key, { day, count });
    if (account.dailyLimit !== undefined && count > account.dailyLimit) throw dailyLimitExceeded(now);
  }

  function admitToChecked({ key, request }: Exchange): void {
    if (key === undefined) throw missingKey();
    const account = accounts.get(key);
    if (account === undefined) {
      if (!isSignedToken(key)) throw invalidKey("This API key is not known.");
      if (spentTokens.has(key)) throw invalidKey("This token has been used already.");
      spentTokens.add(key);
      return;
    }
    if (account.revoked === true) throw invalidKey("This API key has been revoked.");
    if (account.expired === true) throw invalidKey("This API key has expired.");
    if (account.origins !== undefined && !account.origins.includes(request.headers.origin ?? "")) {
      throw originNotAllowed();
    }
    spend(account);
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
      accounts.set(key, { ...known(key), revoked: true });
    },
    admitToChecked,
    admitToOpen({ key }) {
      const account = key === undefined ? undefined : accounts.get(key);
      if (account !== undefined) spend(account);
    },
    admitToCall(exchange) {
      const { authorization, "x-x402": paysByItself } = exchange.request.headers;
      if (/^l402 \S+:\S+$/i.test(authorization ?? "")) return;
      if (exchange.key === undefined && paysByItself === "true") throw paymentRequired();
      admitToChecked(exchange);
    },
    modelsFor(key) {
      const account = key === undefined ? undefined : accounts.get(key);
      if (account?.visible === undefined || account.revoked === true || account.expired === true) return models;
      const shown = new Set(account.visible);
      return models.filter((model) => shown.has(model.id));
    },
  };
}
