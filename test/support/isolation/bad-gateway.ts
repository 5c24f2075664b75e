import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { GOOD, rowsOf, type BadGateway, type GatewayState, type StoredList, type GatewayRequest } from "./gateway.ts";

const storageKey = (request: GatewayRequest, credential: string) =>
  JSON.stringify([credential, String(request.query), request.headers["origin"]]);
const newest = ({ stored }: GatewayState): StoredList | undefined => [...stored.values()].at(-1);

const OWN = "each key gets its own list, as Bearer";
const HERD = "crossing on kept connections";
const SIMILAR = "a key that is nearly one";
const INVENTED = "an invented key finds nothing stored";
const NO_KEY = "without a key there is 401";
const PURGE = "a purge with KEY_A";
const HEADERS = "lists say Cache-Control: private";
const PAGE = "a web page that nobody allowed";
const COLD = "requests of each key at once";

/** Gateways that mix up two keys, each in another way. */
export const BAD_GATEWAYS: readonly BadGateway[] = [
  {
    defect: "one cache for all keys",
    behaviour: { storageKeyOf: (request) => storageKey(request, "") },
    breaks: [OWN, "its own detailed list", HERD, SIMILAR, INVENTED, "a model that only one key has"],
  },
  {
    defect: "detailed lists in one cache for all keys",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, request.query.has("detailed") ? "" : key) },
    breaks: ["its own detailed list"],
  },
  {
    defect: "keys distinguished by their first 12 characters",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, key.slice(0, 12)) },
    breaks: [OWN, HERD, SIMILAR],
  },
  {
    defect: "keys distinguished by their first 15 characters",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, key.slice(0, 15)) },
    breaks: [SIMILAR],
  },
  {
    defect: "keys distinguished by their last 10 characters",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, key.slice(-10)) },
    breaks: [SIMILAR],
  },
  {
    defect: "keys compared without regard to case",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, key.toLowerCase()) },
    breaks: [SIMILAR],
  },
  {
    defect: "keys compared up to their last letter or digit only",
    behaviour: { storageKeyOf: (request, key) => storageKey(request, key.replace(/[^a-z0-9]+$/i, "")) },
    breaks: [SIMILAR],
  },
  {
    defect: "keys distinguished by Authorization alone",
    behaviour: { storageKeyOf: (request) => storageKey(request, request.headers["authorization"] ?? "") },
    breaks: [OWN, HERD, INVENTED],
  },
  {
    defect: "a stored list for a request without a key",
    behaviour: { withoutKey: (_request, state) => newest(state) },
    breaks: [NO_KEY],
  },
  {
    defect: "another key's stored list where a key has none",
    behaviour: { fallback: (_key, state, reason) => (reason === "not stored" ? newest(state) : undefined) },
    breaks: [INVENTED, SIMILAR, PURGE],
  },
  {
    defect: "a stored list for a key that upstream rejects",
    behaviour: { fallback: (_key, state, reason) => (reason === "rejected" ? newest(state) : undefined) },
    breaks: [INVENTED],
  },
  {
    defect: "another key's list after a purge",
    behaviour: {
      purge(key, state) {
        GOOD.purge(key, state);
        state.scratch.set("purged", key);
      },
      fallback: (key, state) => (state.scratch.get("purged") === key ? newest(state) : undefined),
    },
    breaks: [PURGE],
  },
  {
    defect: "a purge of all keys",
    behaviour: { purge: (_key, { stored }) => stored.clear() },
    breaks: ["a purge without a key, or with nearly a key", PURGE],
  },
  { defect: "a purge without effect", behaviour: { purge: () => {} }, breaks: [PURGE] },
  {
    defect: "one upstream fetch for all keys",
    behaviour: { fetchKeyOf: (_storageKey, request) => String(request.query) },
    breaks: [COLD],
  },
  {
    defect: "the credential in a variable that all requests share",
    behaviour: {
      async storageKeyOf(request, key, { scratch }) {
        scratch.set("credential", key);
        await yieldToEventLoop();
        return storageKey(request, scratch.get("credential") ?? "");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "the credential of a connection's first request used for all its requests",
    behaviour: {
      storageKeyOf(request, key, { scratch }) {
        if (!scratch.has(request.socket)) scratch.set(request.socket, key);
        return storageKey(request, scratch.get(request.socket) ?? "");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "the credential in a variable that all requests of a connection share",
    behaviour: {
      async storageKeyOf(request, key, { scratch }) {
        scratch.set(request.socket, key);
        await yieldToEventLoop();
        return storageKey(request, scratch.get(request.socket) ?? "");
      },
    },
    breaks: ["sent on one connection before the first answer"],
  },
  // Each list is stored under its own key, but it, or what belongs to it, is given to the wrong client.
  {
    defect: "compressed lists in one cache for all keys",
    behaviour: {
      encode(text, coding, request, state) {
        const name = `${coding} ${request.query.toString()}`;
        const bytes = state.scratch.get(name) ?? GOOD.encode(text, coding, request, state).toString("base64");
        state.scratch.set(name, bytes);
        return Buffer.from(bytes, "base64");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "models by id in one map for all keys",
    behaviour: {
      model: (id, _entry, { stored }) =>
        [...stored.values()].flatMap(({ text }) => rowsOf(text)).find((row) => row.id === id),
    },
    breaks: ["a model that only one key has"],
  },
  {
    defect: "304 for another key's ETag",
    behaviour: {
      matchesEtag: (sent, _entry, { stored }) => [...stored.values()].some(({ etag }) => etag === sent),
    },
    breaks: ["the ETag of one key's list"],
  },
  {
    defect: "the first of two keys used",
    behaviour: {
      credentialOf: (request) =>
        GOOD.credentialOf({ ...request, headers: { authorization: request.headers["authorization"] } }) === 401
          ? GOOD.credentialOf(request)
          : (request.headers["authorization"] ?? "").slice("Bearer ".length),
    },
    breaks: ["two different keys in one request"],
  },
  {
    defect: "a key taken from the query",
    behaviour: { credentialOf: (request) => request.query.get("api_key") ?? GOOD.credentialOf(request) },
    breaks: ["a key in the URL"],
  },
  {
    defect: "a key taken from a cookie",
    behaviour: {
      credentialOf: (request) => /token=(\S+)/.exec(request.headers["cookie"] ?? "")?.[1] ?? GOOD.credentialOf(request),
    },
    breaks: ["a key in a cookie"],
  },
  {
    defect: "a list with a file name stored for everyone",
    behaviour: {
      headers(request, key) {
        return { ...GOOD.headers(request, key), "x-file": request.rest };
      },
      storageKeyOf(request, key, state) {
        if (request.rest.endsWith(".css")) state.scratch.set(request.rest, key);
        return GOOD.storageKeyOf(request, key, state);
      },
      withoutKey: ({ rest }, { scratch, stored }) =>
        [...stored.values()].find(({ credential }) => credential === scratch.get(rest)),
    },
    breaks: ["under the name of a file"],
  },
  {
    defect: "Cache-Control with public",
    behaviour: { headers: (...args) => ({ ...GOOD.headers(...args), "cache-control": "public, max-age=300" }) },
    breaks: [HEADERS],
  },
  {
    defect: "Cache-Control with both private and s-maxage",
    behaviour: { headers: (...args) => ({ ...GOOD.headers(...args), "cache-control": "private, s-maxage=60" }) },
    breaks: [HEADERS],
  },
  {
    defect: "Vary without X-API-Key",
    behaviour: { headers: (...args) => ({ ...GOOD.headers(...args), vary: "Authorization, Origin" }) },
    breaks: [HEADERS],
  },
  {
    defect: "every Origin allowed by name",
    behaviour: {
      headers: (request, key) => ({
        ...GOOD.headers(request, key),
        "access-control-allow-origin": request.headers["origin"] ?? "*",
      }),
    },
    breaks: [PAGE],
  },
  {
    defect: "pages allowed to send credentials",
    behaviour: {
      headers: (...args) => ({ ...GOOD.headers(...args), "access-control-allow-credentials": "true" }),
    },
    breaks: [PAGE],
  },
  {
    defect: "a list stored without an Origin given to a page",
    behaviour: { storageKeyOf: (request, key) => JSON.stringify([key, String(request.query)]) },
    breaks: [PAGE],
  },
  {
    defect: "the key in a response header",
    behaviour: {
      headers: (request, key) => ({ ...GOOD.headers(request, key), "x-cache-key": `models:${key}` }),
    },
    breaks: ["holds a key"],
  },
  {
    defect: "the last characters of the key in an error",
    behaviour: { errorBody: (key) => `no list for ***${key.slice(-8)}` },
    breaks: ["holds a key"],
  },
  {
    defect: "an error that names every key's models",
    behaviour: {
      errorBody: (_key, { stored }) => JSON.stringify([...stored.values()].map(({ text }) => rowsOf(text))),
    },
    breaks: ["holds a model that only the other key has"],
  },
];
