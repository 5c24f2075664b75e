import { randomUUID } from "node:crypto";
import { otherOf } from "./accounts.ts";
import { NOT_STORED, type Check } from "./check.ts";
import { KEY_NAMES } from "./target.ts";

// Logs and errors often show so many of a key's last characters.
const TAIL_LENGTH = 8;

/** What response headers allow caches and web pages. */
export const responseHeaders: readonly Check[] = [
  {
    sentence: "the ETag of one key's list is no match for the other's",
    needsTwoLists: true,
    async run({ target, pair }, notes) {
      // Equal lists may have equal ETags.
      if (pair.areEqual) return;
      for (const name of KEY_NAMES) {
        const { etag } = (await target.send(name)).headers;
        if (etag === undefined) {
          notes.remark("there is no ETag");
          continue;
        }
        const headers = { "if-none-match": etag };
        const other = await target.send(otherOf(name), { headers });
        if (other.status === 304) notes.failed(`KEY_${otherOf(name)} got 304 for the ETag of KEY_${name}`);
        else if (other.status === 504) notes.unclear(NOT_STORED);
      }
    },
  },
  {
    sentence: "lists say Cache-Control: private, and Vary with Authorization and X-API-Key",
    async run({ target }, notes) {
      for (const name of KEY_NAMES) {
        for (const as of ["bearer", "x-api-key"] as const) {
          const { status, headers } = await target.send(name, { as });
          if (status !== 200) {
            notes.unclear(status === 504 ? NOT_STORED : `${status}, no list`);
            continue;
          }
          const control = listItems(headers["cache-control"]);
          const isPrivate = control.includes("private") || control.includes("no-store");
          if (!isPrivate || control.some((directive) => /^(?:public|s-maxage\b)/.test(directive))) {
            notes.failed("Cache-Control lets shared caches keep the list");
          }
          const vary = listItems(headers["vary"]);
          const missing = ["authorization", "x-api-key"].filter((field) => !vary.includes(field));
          if (!vary.includes("*") && missing.length > 0) notes.failed(`Vary lacks ${missing.join(" and ")}`);
        }
      }
    },
  },
  {
    sentence: "a web page that nobody allowed is neither given credentials nor a list stored for others",
    async run({ target }, notes) {
      for (const name of KEY_NAMES) {
        // `null` is the origin of sandboxed frames and local files; any page can create such a frame.
        for (const origin of [`https://page-${randomUUID()}.invalid`, "null"]) {
          const { status, headers } = await target.send(name, { headers: { origin } });
          if (headers["access-control-allow-origin"] === origin) notes.failed("any Origin is allowed by its name");
          if (headers["access-control-allow-credentials"] === "true") {
            notes.failed("pages may send credentials");
          }
          if (status === 200 && origin !== "null") notes.failed("a list stored for no page was given to one");
        }
      }
    },
  },
];

/** Checks of all responses of the run; they come last. */
export const noKeyLeaks: readonly Check[] = [
  {
    sentence: "no answer of them all holds a key, or the end of one",
    run({ target, keys }, notes) {
      // A short key is searched for as a whole: its tail could occur by chance.
      const secrets = Object.values(keys).map((key) => (key.length < 2 * TAIL_LENGTH ? key : key.slice(-TAIL_LENGTH)));
      for (const { text } of target.traffic().received) {
        if (secrets.some((secret) => text.includes(secret))) notes.failed("a key stands in an answer");
      }
    },
  },
  {
    sentence: "no answer of them all holds a model that only the other key has",
    needsTwoLists: true,
    run({ target, pair }, notes) {
      for (const { sentWith, text, mayContainRows } of target.traffic().received) {
        if (sentWith === undefined || !mayContainRows) continue;
        const leaked = pair[otherOf(sentWith)].exclusive.filter((id) => text.includes(JSON.stringify(id)));
        if (leaked.length > 0) {
          notes.failed(
            `${leaked.length} models that only KEY_${otherOf(sentWith)} has stood in an answer to KEY_${sentWith}`,
          );
        }
      }
    },
  },
];

function listItems(header: string | undefined): string[] {
  return (header ?? "").toLowerCase().split(/\s*,\s*/);
}
