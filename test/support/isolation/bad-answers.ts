import { GOOD, rowsOf, type Bad } from "./gateway.ts";

const FIELDS = "lists say Cache-Control: private";
const PAGE = "a web page that nobody allowed";
const STORM = "crossing on kept connections";

/** Ways to give a list, or what belongs to it, to the wrong one, though each is held under its own key. */
export const BAD_ANSWERS: readonly Bad[] = [
  {
    defect: "compressed lists in one cache for all keys",
    habits: {
      coded(text, coding, visitor, desk) {
        const name = `${coding} ${visitor.query.toString()}`;
        const bytes = desk.drawer.get(name) ?? GOOD.coded(text, coding, visitor, desk).toString("base64");
        desk.drawer.set(name, bytes);
        return Buffer.from(bytes, "base64");
      },
    },
    breaks: [STORM],
  },
  {
    defect: "models by id in one map for all keys",
    habits: {
      model: (id, _kept, { held }) =>
        [...held.values()].flatMap(({ text }) => rowsOf(text)).find((row) => row.id === id),
    },
    breaks: ["a model that only one key has"],
  },
  {
    defect: "304 for anyone's ETag",
    habits: { isMatch: (sent, _kept, { held }) => [...held.values()].some(({ etag }) => etag === sent) },
    breaks: ["the ETag of one key's list"],
  },
  {
    defect: "the first of two keys taken",
    habits: {
      credentialOf: (visitor) =>
        GOOD.credentialOf({ ...visitor, headers: { authorization: visitor.headers["authorization"] } }) ===
        401
          ? GOOD.credentialOf(visitor)
          : (visitor.headers["authorization"] ?? "").slice("Bearer ".length),
    },
    breaks: ["two different keys in one request"],
  },
  {
    defect: "a key taken from the query",
    habits: { credentialOf: (visitor) => visitor.query.get("api_key") ?? GOOD.credentialOf(visitor) },
    breaks: ["a key in the URL"],
  },
  {
    defect: "a key taken from a cookie",
    habits: {
      credentialOf: (visitor) =>
        /token=(\S+)/.exec(visitor.headers["cookie"] ?? "")?.[1] ?? GOOD.credentialOf(visitor),
    },
    breaks: ["a key in a cookie"],
  },
  {
    defect: "a list under the name of a file kept for everyone",
    habits: {
      fields(visitor, key) {
        return { ...GOOD.fields(visitor, key), "x-file": visitor.rest };
      },
      slotOf(visitor, key, desk) {
        if (visitor.rest.endsWith(".css")) desk.drawer.set(visitor.rest, key);
        return GOOD.slotOf(visitor, key, desk);
      },
      forNoKey: ({ rest }, { drawer, held }) =>
        [...held.values()].find(({ credential }) => credential === drawer.get(rest)),
    },
    breaks: ["under the name of a file"],
  },
  {
    defect: "lists that say public",
    habits: { fields: (...of) => ({ ...GOOD.fields(...of), "cache-control": "public, max-age=300" }) },
    breaks: [FIELDS],
  },
  {
    defect: "lists that say both private and s-maxage",
    habits: { fields: (...of) => ({ ...GOOD.fields(...of), "cache-control": "private, s-maxage=60" }) },
    breaks: [FIELDS],
  },
  {
    defect: "lists whose Vary forgets X-API-Key",
    habits: { fields: (...of) => ({ ...GOOD.fields(...of), vary: "Authorization, Origin" }) },
    breaks: [FIELDS],
  },
  {
    defect: "every Origin allowed by its name",
    habits: {
      fields: (visitor, key) => ({
        ...GOOD.fields(visitor, key),
        "access-control-allow-origin": visitor.headers["origin"] ?? "*",
      }),
    },
    breaks: [PAGE],
  },
  {
    defect: "credentials of pages allowed",
    habits: {
      fields: (...of) => ({ ...GOOD.fields(...of), "access-control-allow-credentials": "true" }),
    },
    breaks: [PAGE],
  },
  {
    defect: "a list held for no page given to a page",
    habits: { slotOf: (visitor, key) => JSON.stringify([key, String(visitor.query)]) },
    breaks: [PAGE],
  },
  {
    defect: "the key in a header field",
    habits: { fields: (visitor, key) => ({ ...GOOD.fields(visitor, key), "x-cache-key": `models:${key}` }) },
    breaks: ["holds a key"],
  },
  {
    defect: "the end of the key in an error",
    habits: { complaint: (key) => `no list for ***${key.slice(-8)}` },
    breaks: ["holds a key"],
  },
  {
    defect: "an error that names everyone's models",
    habits: {
      complaint: (_key, { held }) => JSON.stringify([...held.values()].map(({ text }) => rowsOf(text))),
    },
    breaks: ["holds a model that only the other key has"],
  },
];
