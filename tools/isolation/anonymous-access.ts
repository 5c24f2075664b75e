import { randomUUID } from "node:crypto";
import { isSame } from "./accounts.ts";
import type { Answer } from "./response.ts";
import type { Check, CheckContext } from "./check.ts";
import { credential, NAMES, type Fields } from "./target.ts";
import { similarKeys } from "./similar-keys.ts";

const HEADERS = ["bearer", "x-api-key"] as const;
const NO_KEY: readonly { how: string; fields: Fields }[] = [
  { how: "no key", fields: {} },
  { how: "an empty Bearer", fields: { authorization: "Bearer" } },
  { how: "Bearer undefined", fields: { authorization: "Bearer undefined" } },
  { how: "Bearer null", fields: { authorization: "Bearer null" } },
  { how: "an empty x-api-key", fields: { "x-api-key": "" } },
];

/** Who brings neither key gets neither list. Only the invented key's one question may reach NanoGPT. */
export const anonymousAccess: readonly Check[] = [
  {
    sentence: "without a key there is 401, and never a list",
    async run({ instance, pair }, notes) {
      const id = encodeURIComponent([...pair.A.ids][0] ?? "");
      for (const path of ["/models", "/models/", "/models?detailed=true", `/models/${id}`]) {
        for (const { how, fields } of NO_KEY) {
          const { status, ids } = await instance.askAs(fields, { path, mayAsk: true });
          if (status === 200) notes.fault(`${how} got ${ids?.length ?? "no"} models`);
          else if (status !== 401) notes.fault(`${how} got ${status} instead of 401`);
        }
      }
      const head = await instance.askAs({}, { method: "HEAD", mayAsk: true });
      if (head.status !== 401) notes.fault(`HEAD without a key got ${head.status} instead of 401`);
    },
  },
  {
    sentence: "an invented key finds nothing stored, and gets neither key's list",
    async run(context, notes) {
      const invented = `invented-${randomUUID()}`;
      for (const as of HEADERS) {
        for (const path of ["/models", "/models?detailed=true"]) {
          const stored = await context.instance.askAs(credential(as, invented), { path });
          if (stored.status === 200) notes.fault(`a list was stored for it, sent as ${as}`);
        }
      }
      const asked = await context.instance.askAs(credential("bearer", invented), { mayAsk: true });
      if (isTaken(asked, context)) notes.fault("it got the list of a key");
      else if (asked.status === 200) notes.aside("NanoGPT itself gave it a list of everyone's");
    },
  },
  {
    sentence: "a key that is nearly one of the two finds nothing stored",
    async run({ instance, keys }, notes) {
      for (const name of NAMES) {
        for (const { how, key } of similarKeys(keys[name], Object.values(keys))) {
          for (const as of HEADERS) {
            const { status } = await instance.askAs(credential(as, key));
            if (status === 200) notes.fault(`KEY_${name} ${how} got a list`);
          }
        }
      }
    },
  },
  {
    sentence: "two different keys in one request get 400",
    async run({ instance, keys }, notes) {
      for (const [one, other] of [
        [keys.A, keys.B],
        [keys.B, keys.A],
      ] as const) {
        const both = { ...credential("bearer", one), ...credential("x-api-key", other) };
        const { status } = await instance.askAs(both);
        if (status !== 400) notes.fault(`${status} instead of 400`);
      }
    },
  },
  {
    sentence: "a key in a cookie is no key",
    async run({ instance, keys }, notes) {
      for (const cookie of ["api_key", "key", "token", "authorization"]) {
        const { status } = await instance.askAs({ cookie: `${cookie}=${keys.A}` });
        if (status !== 401 && status !== 400) notes.fault(`${status} instead of 401`);
      }
    },
  },
  {
    sentence: "a key in the URL is no key",
    async run({ instance, keys, sendsKeysInUrls }, notes) {
      if (!sendsKeysInUrls) {
        notes.skip("it would stay in the access logs on the way; --key-in-url tries it all the same");
        return;
      }
      const key = encodeURIComponent(keys.A);
      const names = ["api_key", "apikey", "key", "access_token", "token", "authorization"];
      for (const path of [...names.map((name) => `/models?${name}=${key}`), `/models/${key}`]) {
        const { status } = await instance.askAs({}, { path });
        if (status !== 401 && status !== 400) notes.fault(`${status} instead of 401`);
      }
    },
  },
];

// Upstream's list for everyone may be what the wider key sees; the narrower one's cannot come from there.
function isTaken({ status, ids, headers }: Answer, { pair }: CheckContext): boolean {
  if (status !== 200 || ids === undefined) return false;
  if (!pair.areEqual && isSame(ids, pair[pair.narrower].ids)) return true;
  const isAsked = headers["cache-status"]?.startsWith("keylane; fwd=") === true;
  return !isAsked && NAMES.some((name) => isSame(ids, pair[name].ids));
}
