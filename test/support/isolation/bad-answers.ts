import { GOOD, rowsOf, type BadGateway } from "./gateway.ts";

const FIELDS = "lists say Cache-Control: private";
const PAGE = "a web page that nobody allowed";
const HERD = "crossing on kept connections";

/** Ways to give a list, or what belongs to it, to the wrong one, though each is stored under its own key. */
export const BAD_ANSWERS: readonly BadGateway[] = [
  {
    defect: "compressed lists in one cache for all keys",
    behaviour: {
      coded(text, coding, request, desk) {
        const name = `${coding} ${request.query.toString()}`;
        const bytes = desk.drawer.get(name) ?? GOOD.coded(text, coding, request, desk).toString("base64");
        desk.drawer.set(name, bytes);
        return Buffer.from(bytes, "base64");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "models by id in one map for all keys",
    behaviour: {
      model: (id, _kept, { stored }) =>
        [...stored.values()].flatMap(({ text }) => rowsOf(text)).find((row) => row.id === id),
    },
    breaks: ["a model that only one key has"],
  },
  {
    defect: "304 for anyone's ETag",
    behaviour: {
      isMatch: (sent, _kept, { stored }) => [...stored.values()].some(({ etag }) => etag === sent),
    },
    breaks: ["the ETag of one key's list"],
  },
  {
    defect: "the first of two keys taken",
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
    defect: "a list under the name of a file kept for everyone",
    behaviour: {
      fields(request, key) {
        return { ...GOOD.fields(request, key), "x-file": request.rest };
      },
      slotOf(request, key, desk) {
        if (request.rest.endsWith(".css")) desk.drawer.set(request.rest, key);
        return GOOD.slotOf(request, key, desk);
      },
      forNoKey: ({ rest }, { drawer, stored }) =>
        [...stored.values()].find(({ credential }) => credential === drawer.get(rest)),
    },
    breaks: ["under the name of a file"],
  },
  {
    defect: "lists that say public",
    behaviour: { fields: (...of) => ({ ...GOOD.fields(...of), "cache-control": "public, max-age=300" }) },
    breaks: [FIELDS],
  },
  {
    defect: "lists that say both private and s-maxage",
    behaviour: { fields: (...of) => ({ ...GOOD.fields(...of), "cache-control": "private, s-maxage=60" }) },
    breaks: [FIELDS],
  },
  {
    defect: "lists whose Vary forgets X-API-Key",
    behaviour: { fields: (...of) => ({ ...GOOD.fields(...of), vary: "Authorization, Origin" }) },
    breaks: [FIELDS],
  },
  {
    defect: "every Origin allowed by its name",
    behaviour: {
      fields: (request, key) => ({
        ...GOOD.fields(request, key),
        "access-control-allow-origin": request.headers["origin"] ?? "*",
      }),
    },
    breaks: [PAGE],
  },
  {
    defect: "credentials of pages allowed",
    behaviour: {
      fields: (...of) => ({ ...GOOD.fields(...of), "access-control-allow-credentials": "true" }),
    },
    breaks: [PAGE],
  },
  {
    defect: "a list stored for no page given to a page",
    behaviour: { slotOf: (request, key) => JSON.stringify([key, String(request.query)]) },
    breaks: [PAGE],
  },
  {
    defect: "the key in a header field",
    behaviour: {
      fields: (request, key) => ({ ...GOOD.fields(request, key), "x-cache-key": `models:${key}` }),
    },
    breaks: ["holds a key"],
  },
  {
    defect: "the end of the key in an error",
    behaviour: { complaint: (key) => `no list for ***${key.slice(-8)}` },
    breaks: ["holds a key"],
  },
  {
    defect: "an error that names everyone's models",
    behaviour: {
      complaint: (_key, { stored }) => JSON.stringify([...stored.values()].map(({ text }) => rowsOf(text))),
    },
    breaks: ["holds a model that only the other key has"],
  },
];
