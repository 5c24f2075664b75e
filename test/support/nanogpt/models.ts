import { json, send } from "./answer.ts";
import { notFoundPage } from "./error-answers.ts";
import { call, type Route } from "./routes.ts";

/** Routes of single models, and the old list without a version. */
export const modelRoutes: readonly Route[] = [
  call("DELETE", "/models/.+", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const id = decodeURIComponent(exchange.path.replace(/^.*?\/models\//, ""));
    send(exchange, json(200, { id, object: "model", deleted: true }));
  }),
  {
    methods: ["GET", "HEAD"],
    path: /^\/api\/models\/?$/,
    async answer(exchange, { accounts }) {
      const text = Object.fromEntries(accounts.modelsFor(undefined).map(({ id, name }) => [id, { id, name }]));
      send(exchange, json(200, { models: { text } }));
    },
  },
  {
    // One segment: an id whose `%2F` was decoded on the way gets the 404 page.
    methods: ["GET", "HEAD"],
    path: /^\/api\/models\/[^/]+\/providers$/,
    async answer(exchange, { accounts }) {
      const id = decodeURIComponent(exchange.path.split("/")[3] ?? "");
      if (!accounts.modelsFor(undefined).some((model) => model.id === id)) throw notFoundPage();
      send(exchange, json(200, { canonicalId: id, supportsProviderSelection: false, providers: [] }));
    },
  },
];
