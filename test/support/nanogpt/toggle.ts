import type { Accounts } from "./accounts.ts";
import { json, send } from "./answer.ts";
import type { DetailedModel } from "./catalogue.ts";
import type { Exchange } from "./exchange.ts";

/** Route of the demo that shows or hides a model of an account; NanoGPT has none, and `seen` does not record it. */
export const TOGGLE_PATH = "/toggle";

/** Shows or hides a model: `POST /toggle?key=KEY&model=ID&visible=true|false`. */
export function toggle(exchange: Exchange, accounts: Accounts, models: readonly DetailedModel[]): void {
  const { key = "", model = "", visible } = Object.fromEntries(exchange.query);
  const understood = exchange.seen.method === "POST" && (visible === "true" || visible === "false");
  if (!understood || !accounts.has(key) || !models.some(({ id }) => id === model)) {
    const hint = "Use POST /toggle?key=KEY&model=ID&visible=true|false with a known key and model.";
    return send(exchange, json(400, { error: hint }));
  }
  if (visible === "true") accounts.show(key, model);
  else accounts.hide(key, model);
  return send(exchange, json(200, { model, visible: visible === "true" }));
}
