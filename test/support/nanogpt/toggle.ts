import type { AccountBook } from "./accounts.ts";
import { json, send } from "./answer.ts";
import type { DetailedModel } from "./catalogue.ts";
import type { Exchange } from "./exchange.ts";

/** Where a demonstration shows or hides a model of an account; no part of NanoGPT, and never among what was seen. */
export const TOGGLE_PATH = "/toggle";

/** Shows or hides a model: `POST /toggle?key=KEY&model=ID&visible=true|false`. */
export function toggle(exchange: Exchange, accounts: AccountBook, models: readonly DetailedModel[]): void {
  const { key = "", model = "", visible } = Object.fromEntries(exchange.query);
  const understood = exchange.seen.method === "POST" && (visible === "true" || visible === "false");
  if (!understood || !accounts.has(key) || !models.some(({ id }) => id === model)) {
    const hint = "Ask for POST /toggle?key=KEY&model=ID&visible=true|false with a known key and model.";
    return send(exchange, json(400, { error: hint }));
  }
  if (visible === "true") accounts.show(key, model);
  else accounts.hide(key, model);
  return send(exchange, json(200, { model, visible: visible === "true" }));
}
