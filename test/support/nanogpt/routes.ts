import type { Accounts } from "./accounts.ts";
import type { Exchange } from "./exchange.ts";

/** Pattern of the base URLs in NanoGPT's guides; its first group is the list's name. */
export const BASE = "/api(?:/(personalized|subscription|paid))?/v1(?:legacy|thinking)?";

/** What routes need to answer. */
export interface RouteContext {
  readonly accounts: Accounts;
}

/** An endpoint of the stand-in. */
export interface Route {
  /** All methods when undefined. */
  readonly methods?: readonly string[];
  readonly path: RegExp;
  /** Answers, or throws an `ErrorAnswer`. */
  answer(exchange: Exchange, context: RouteContext): Promise<void>;
}

/** Creates a route for a method and a path under every base URL. */
export function call(method: string, path: string, answer: Route["answer"]): Route {
  return { methods: [method], path: new RegExp(`^${BASE}${path}/?$`), answer };
}
