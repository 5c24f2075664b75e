import { compressed, jsonText, send } from "./answer.ts";
import { listText, type ListName } from "./catalogue.ts";
import type { Exchange, Seen } from "./exchange.ts";
import { BASE, type Route, type World } from "./routes.ts";

const LIST_PATH = new RegExp(`^${BASE}/models/?$`);

/** The four model lists. Only the personalized one checks the key. */
export const listRoutes: readonly Route[] = [
  {
    methods: ["GET", "HEAD"],
    path: LIST_PATH,
    async answer(exchange, world) {
      if (listNameOf(exchange.path) === "personalized") world.accounts.admitToChecked(exchange);
      else world.accounts.admitToOpen(exchange);
      // What the real lists say about caching is not known; the tempting thing is said here, so that a cache
      // that believes it is found out.
      const answer = jsonText(listFor(exchange, world), 200, { "cache-control": "public, max-age=300" });
      send(exchange, await compressed(exchange, answer));
    },
  },
];

/** Whether a request asks for a list. */
export function isListRequest({ method, target }: Seen): boolean {
  return (method === "GET" || method === "HEAD") && LIST_PATH.test(target.replace(/\?.*$/s, ""));
}

/** Is the list that a request would get if nothing stood in its way. */
export function listFor({ path, query, key }: Exchange, { accounts }: World): string {
  return listText(listNameOf(path), accounts.modelsFor(key), query);
}

function listNameOf(path: string): ListName {
  const [, name] = LIST_PATH.exec(path) ?? [];
  return name === "personalized" || name === "subscription" || name === "paid" ? name : "canonical";
}
