import { compressed, jsonText, send } from "./answer.ts";
import { listText, type ListName } from "./catalogue.ts";
import type { Exchange, ReceivedRequest } from "./exchange.ts";
import { BASE, type Route, type RouteContext } from "./routes.ts";

const LIST_PATH = new RegExp(`^${BASE}/models/?$`);

/** The four model lists. Only the personalized one checks the key. */
export const listRoutes: readonly Route[] = [
  {
    methods: ["GET", "HEAD"],
    path: LIST_PATH,
    async answer(exchange, context) {
      if (listNameOf(exchange.path) === "personalized") context.accounts.requireKey(exchange);
      else context.accounts.countRequest(exchange);
      // NanoGPT's real Cache-Control is unknown; this one exposes a cache that obeys it.
      const answer = jsonText(listFor(exchange, context), 200, { "cache-control": "public, max-age=300" });
      send(exchange, await compressed(exchange, answer));
    },
  },
];

/** Whether a request asks for a list. */
export function isListRequest({ method, target }: ReceivedRequest): boolean {
  return (method === "GET" || method === "HEAD") && LIST_PATH.test(target.replace(/\?.*$/s, ""));
}

/** The list that a request gets without a fault. */
export function listFor({ path, query, key }: Exchange, { accounts }: RouteContext): string {
  return listText(listNameOf(path), accounts.modelsFor(key), query);
}

function listNameOf(path: string): ListName {
  const [, name] = LIST_PATH.exec(path) ?? [];
  return name === "personalized" || name === "subscription" || name === "paid" ? name : "canonical";
}
