import { setImmediate as nextTurn } from "node:timers/promises";
import { BAD_ANSWERS } from "./bad-answers.ts";
import { GOOD, type BadGateway, type GatewayState, type StoredAnswer, type GatewayRequest } from "./gateway.ts";

const slot = (request: GatewayRequest, credential: string) =>
  JSON.stringify([credential, String(request.query), request.headers["origin"]]);
const newest = ({ stored }: GatewayState): StoredAnswer | undefined => [...stored.values()].at(-1);

const OWN = "each key gets its own list, as Bearer";
const HERD = "crossing on kept connections";
const NEAR = "a key that is nearly one";
const INVENTED = "an invented key finds nothing stored";
const NO_KEY = "without a key there is 401";
const PURGE = "a purge with KEY_A";
const COLD = "requests of each key at once";

/** Every way to mix keys up that a caching proxy has been seen or feared to have. */
export const BAD_GATEWAYS: readonly BadGateway[] = [
  ...BAD_ANSWERS,
  {
    defect: "one cache for all keys",
    behaviour: { slotOf: (request) => slot(request, "") },
    breaks: [OWN, "its own detailed list", HERD, NEAR, INVENTED, "a model that only one key has"],
  },
  {
    defect: "detailed lists in one cache for all keys",
    behaviour: { slotOf: (request, key) => slot(request, request.query.has("detailed") ? "" : key) },
    breaks: ["its own detailed list"],
  },
  {
    defect: "a key recognized by its first 12 characters",
    behaviour: { slotOf: (request, key) => slot(request, key.slice(0, 12)) },
    breaks: [OWN, HERD, NEAR],
  },
  {
    defect: "a key recognized by its first 15 characters",
    behaviour: { slotOf: (request, key) => slot(request, key.slice(0, 15)) },
    breaks: [NEAR],
  },
  {
    defect: "a key recognized by its last 10 characters",
    behaviour: { slotOf: (request, key) => slot(request, key.slice(-10)) },
    breaks: [NEAR],
  },
  {
    defect: "a key compared without regard to case",
    behaviour: { slotOf: (request, key) => slot(request, key.toLowerCase()) },
    breaks: [NEAR],
  },
  {
    defect: "a key compared without what stands behind its last letter",
    behaviour: { slotOf: (request, key) => slot(request, key.replace(/[^a-z0-9]+$/i, "")) },
    breaks: [NEAR],
  },
  {
    defect: "a key recognized by Authorization alone",
    behaviour: { slotOf: (request) => slot(request, request.headers["authorization"] ?? "") },
    breaks: [OWN, HERD, INVENTED],
  },
  {
    defect: "a stored list for who has no key",
    behaviour: { forNoKey: (_request, desk) => newest(desk) },
    breaks: [NO_KEY],
  },
  {
    defect: "a stored list for a key that finds none",
    behaviour: { instead: (_key, desk, why) => (why === "not stored" ? newest(desk) : undefined) },
    breaks: [INVENTED, NEAR, PURGE],
  },
  {
    defect: "a stored list for a key that upstream refuses",
    behaviour: { instead: (_key, desk, why) => (why === "refused" ? newest(desk) : undefined) },
    breaks: [INVENTED],
  },
  {
    defect: "another's list after a purge",
    behaviour: {
      purge(key, desk) {
        GOOD.purge(key, desk);
        desk.drawer.set("purged", key);
      },
      instead: (key, desk) => (desk.drawer.get("purged") === key ? newest(desk) : undefined),
    },
    breaks: [PURGE],
  },
  {
    defect: "a purge that forgets all keys",
    behaviour: { purge: (_key, { stored }) => stored.clear() },
    breaks: ["a purge without a key, or with nearly a key", PURGE],
  },
  { defect: "a purge that forgets nothing", behaviour: { purge: () => {} }, breaks: [PURGE] },
  {
    defect: "questions to upstream shared by all keys",
    behaviour: { flightOf: (_slot, request) => String(request.query) },
    breaks: [COLD],
  },
  {
    defect: "the caller kept in one place for all requests",
    behaviour: {
      async slotOf(request, key, { drawer }) {
        drawer.set("caller", key);
        await nextTurn();
        return slot(request, drawer.get("caller") ?? "");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "the caller kept with the connection",
    behaviour: {
      slotOf(request, key, { drawer }) {
        if (!drawer.has(request.socket)) drawer.set(request.socket, key);
        return slot(request, drawer.get(request.socket) ?? "");
      },
    },
    breaks: [HERD],
  },
  {
    defect: "requests of one connection mixed up",
    behaviour: {
      async slotOf(request, key, { drawer }) {
        drawer.set(request.socket, key);
        await nextTurn();
        return slot(request, drawer.get(request.socket) ?? "");
      },
    },
    breaks: ["sent on one connection before the first answer"],
  },
];
