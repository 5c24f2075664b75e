import { setImmediate as nextTurn } from "node:timers/promises";
import { BAD_ANSWERS } from "./bad-answers.ts";
import { GOOD, type Bad, type Desk, type Kept, type Visitor } from "./gateway.ts";

const slot = (visitor: Visitor, credential: string) =>
  JSON.stringify([credential, String(visitor.query), visitor.headers["origin"]]);
const newest = ({ held }: Desk): Kept | undefined => [...held.values()].at(-1);

const OWN = "each key gets its own list, as Bearer";
const STORM = "crossing on kept connections";
const NEAR = "a key that is nearly one";
const INVENTED = "an invented key finds nothing held";
const NO_KEY = "without a key there is 401";
const PURGE = "a purge with KEY_A";
const COLD = "requests of each key at once";

/** Every way to mix keys up that a caching proxy has been seen or feared to have. */
export const BAD: readonly Bad[] = [
  ...BAD_ANSWERS,
  {
    defect: "one cache for all keys",
    habits: { slotOf: (visitor) => slot(visitor, "") },
    breaks: [OWN, "its own detailed list", STORM, NEAR, INVENTED, "a model that only one key has"],
  },
  {
    defect: "detailed lists in one cache for all keys",
    habits: { slotOf: (visitor, key) => slot(visitor, visitor.query.has("detailed") ? "" : key) },
    breaks: ["its own detailed list"],
  },
  {
    defect: "a key told by its first 12 characters",
    habits: { slotOf: (visitor, key) => slot(visitor, key.slice(0, 12)) },
    breaks: [OWN, STORM, NEAR],
  },
  {
    defect: "a key told by its first 15 characters",
    habits: { slotOf: (visitor, key) => slot(visitor, key.slice(0, 15)) },
    breaks: [NEAR],
  },
  {
    defect: "a key told by its last 10 characters",
    habits: { slotOf: (visitor, key) => slot(visitor, key.slice(-10)) },
    breaks: [NEAR],
  },
  {
    defect: "a key told without regard to case",
    habits: { slotOf: (visitor, key) => slot(visitor, key.toLowerCase()) },
    breaks: [NEAR],
  },
  {
    defect: "a key told without what stands behind its last letter",
    habits: { slotOf: (visitor, key) => slot(visitor, key.replace(/[^a-z0-9]+$/i, "")) },
    breaks: [NEAR],
  },
  {
    defect: "a key told by Authorization alone",
    habits: { slotOf: (visitor) => slot(visitor, visitor.headers["authorization"] ?? "") },
    breaks: [OWN, STORM, INVENTED],
  },
  {
    defect: "a stored list for who has no key",
    habits: { forNoKey: (_visitor, desk) => newest(desk) },
    breaks: [NO_KEY],
  },
  {
    defect: "a stored list for a key that finds none",
    habits: { instead: (_key, desk, why) => (why === "not held" ? newest(desk) : undefined) },
    breaks: [INVENTED, NEAR, PURGE],
  },
  {
    defect: "a stored list for a key that upstream refuses",
    habits: { instead: (_key, desk, why) => (why === "refused" ? newest(desk) : undefined) },
    breaks: [INVENTED],
  },
  {
    defect: "another's list after a purge",
    habits: {
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
    habits: { purge: (_key, { held }) => held.clear() },
    breaks: ["a purge without a key, or with nearly a key", PURGE],
  },
  { defect: "a purge that forgets nothing", habits: { purge: () => {} }, breaks: [PURGE] },
  {
    defect: "questions to upstream shared by all keys",
    habits: { flightOf: (_slot, visitor) => String(visitor.query) },
    breaks: [COLD],
  },
  {
    defect: "the caller kept in one place for all requests",
    habits: {
      async slotOf(visitor, key, { drawer }) {
        drawer.set("caller", key);
        await nextTurn();
        return slot(visitor, drawer.get("caller") ?? "");
      },
    },
    breaks: [STORM],
  },
  {
    defect: "the caller kept with the connection",
    habits: {
      slotOf(visitor, key, { drawer }) {
        if (!drawer.has(visitor.socket)) drawer.set(visitor.socket, key);
        return slot(visitor, drawer.get(visitor.socket) ?? "");
      },
    },
    breaks: [STORM],
  },
  {
    defect: "requests of one connection mixed up",
    habits: {
      async slotOf(visitor, key, { drawer }) {
        drawer.set(visitor.socket, key);
        await nextTurn();
        return slot(visitor, drawer.get(visitor.socket) ?? "");
      },
    },
    breaks: ["sent on one connection before the first answer"],
  },
];
