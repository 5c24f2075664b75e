import { randomUUID } from "node:crypto";
import { otherOf } from "./accounts.ts";
import { NOT_STORED, type Check } from "./check.ts";
import { NAMES } from "./target.ts";

// As long as the end of a key that a log or an error may be content to show.
const TAIL = 8;

/** What answers say to the caches and the pages on their way. */
export const responseHeaders: readonly Check[] = [
  {
    sentence: "the ETag of one key's list is no match for the other's",
    needsTwoLists: true,
    async run({ instance, pair }, notes) {
      // The same list may have the same ETag.
      if (pair.areEqual) return;
      for (const name of NAMES) {
        const { etag } = (await instance.ask(name)).headers;
        if (etag === undefined) {
          notes.aside("there is no ETag");
          continue;
        }
        const fields = { "if-none-match": etag };
        const other = await instance.ask(otherOf(name), { fields });
        if (other.status === 304) notes.fault(`KEY_${otherOf(name)} got 304 for the ETag of KEY_${name}`);
        else if (other.status === 504) notes.doubt(NOT_STORED);
      }
    },
  },
  {
    sentence: "lists say Cache-Control: private, and Vary with Authorization and X-API-Key",
    async run({ instance }, notes) {
      for (const name of NAMES) {
        for (const as of ["bearer", "x-api-key"] as const) {
          const { status, headers } = await instance.ask(name, { as });
          if (status !== 200) {
            notes.doubt(status === 504 ? NOT_STORED : `${status}, no list`);
            continue;
          }
          const control = args(headers["cache-control"]);
          const isPrivate = control.includes("private") || control.includes("no-store");
          if (!isPrivate || control.some((text) => /^(?:public|s-maxage\b)/.test(text))) {
            notes.fault("Cache-Control lets shared caches keep the list");
          }
          const vary = args(headers["vary"]);
          const missing = ["authorization", "x-api-key"].filter((field) => !vary.includes(field));
          if (!vary.includes("*") && missing.length > 0) notes.fault(`Vary lacks ${missing.join(" and ")}`);
        }
      }
    },
  },
  {
    sentence: "a web page that nobody allowed is neither given credentials nor a list stored for others",
    async run({ instance }, notes) {
      for (const name of NAMES) {
        // `null` is what a sandboxed frame and a local file are called; every page can make itself one.
        for (const origin of [`https://page-${randomUUID()}.invalid`, "null"]) {
          const { status, headers } = await instance.ask(name, { fields: { origin } });
          if (headers["access-control-allow-origin"] === origin) notes.fault("any Origin is allowed by its name");
          if (headers["access-control-allow-credentials"] === "true") {
            notes.fault("pages may send credentials");
          }
          if (status === 200 && origin !== "null") notes.fault("a list stored for no page was given to one");
        }
      }
    },
  },
];

/** What must hold for all answers of the run. These come last. */
export const noKeyLeaks: readonly Check[] = [
  {
    sentence: "no answer of them all holds a key, or the end of one",
    run({ instance, keys }, notes) {
      // Of a short key the whole: its end could be anything.
      const secrets = Object.values(keys).map((key) => (key.length < 2 * TAIL ? key : key.slice(-TAIL)));
      for (const { text } of instance.tally().seen) {
        if (secrets.some((secret) => text.includes(secret))) notes.fault("a key stands in an answer");
      }
    },
  },
  {
    sentence: "no answer of them all holds a model that only the other key has",
    needsTwoLists: true,
    run({ instance, pair }, notes) {
      for (const { by, text, mayHoldRows } of instance.tally().seen) {
        if (by === undefined || !mayHoldRows) continue;
        const leaked = pair[otherOf(by)].alone.filter((id) => text.includes(JSON.stringify(id)));
        if (leaked.length > 0) {
          notes.fault(`${leaked.length} models that only KEY_${otherOf(by)} has stood in an answer to KEY_${by}`);
        }
      }
    },
  },
];

function args(field: string | undefined): string[] {
  return (field ?? "").toLowerCase().split(/\s*,\s*/);
}
