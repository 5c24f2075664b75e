import type { AccountBook } from "./accounts.ts";
import type { Exchange } from "./exchange.ts";

/** The base URLs that NanoGPT's guides make people type, as a pattern; the first group is the list's name. */
export const BASE = "/api(?:/(personalized|subscription|paid))?/v1(?:legacy|thinking)?";

/** What answers draw on. */
export interface World {
  readonly accounts: AccountBook;
}

/** An endpoint of the stand-in. */
export interface Route {
  /** Left out where any method will do. */
  readonly methods?: readonly string[];
  readonly path: RegExp;
  /** Answers, or throws a `Refusal`. */
  answer(exchange: Exchange, world: World): Promise<void>;
}

/** Is the route for calls of one kind, under every base URL. */
export function call(method: string, path: string, answer: Route["answer"]): Route {
  return { methods: [method], path: new RegExp(`^${BASE}${path}/?$`), answer };
}
