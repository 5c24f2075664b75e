import { randomUUID } from "node:crypto";
import { isSame } from "./accounts.ts";
import type { Answer } from "./response.ts";
import type { Check, CheckContext } from "./check.ts";
import { credential, KEY_NAMES, type HeaderFields } from "./target.ts";
import { similarKeys } from "./similar-keys.ts";

const HEADERS = ["bearer", "x-api-key"] as const;
const NO_KEY: readonly { how: string; headers: HeaderFields }[] = [
  { how: "no key", headers: {} },
  { how: "an empty Bearer", headers: { authorization: "Bearer" } },
  { how: "Bearer undefined", headers: { authorization: "Bearer undefined" } },
  { how: "Bearer null", headers: { authorization: "Bearer null" } },
  { how: "an empty x-api-key", headers: { "x-api-key": "" } },
];

/** A client with neither key gets neither list. Only one request, with the invented key, may reach NanoGPT. */
export const anonymousAccess: readonly Check[] = [
  {
    sentence: "without a key there is 401, and never a list",
    async run({ target, pair }, notes) {
      const id = encodeURIComponent([...pair.A.ids][0] ?? "");
      for (const path of ["/models", "/models/", "/models?detailed=true", `/models/${id}`]) {
        for (const { how, headers } of NO_KEY) {
          const { status, ids } = await target.sendAs(headers, { path, mayFetch: true });
          if (status === 200) notes.failed(`${how} got ${ids?.length ?? "no"} models`);
          else if (status !== 401) notes.failed(`${how} got ${status} instead of 401`);
        }
      }
      const head = await target.sendAs({}, { method: "HEAD", mayFetch: true });
      if (head.status !== 401) notes.failed(`HEAD without a key got ${head.status} instead of 401`);
    },
  },
  {
    sentence: "an invented key finds nothing stored, and gets neither key's list",
    async run(context, notes) {
      const invented = `invented-${randomUUID()}`;
      for (const as of HEADERS) {
        for (const path of ["/models", "/models?detailed=true"]) {
          const stored = await context.target.sendAs(credential(as, invented), { path });
          if (stored.status === 200) notes.failed(`a list was stored for it, sent as ${as}`);
        }
      }
      const response = await context.target.sendAs(credential("bearer", invented), { mayFetch: true });
      if (isListOfAKey(response, context)) notes.failed("it got the list of a key");
      else if (response.status === 200) notes.remark("NanoGPT itself gave it a list of everyone's");
    },
  },
  {
    sentence: "a key that is nearly one of the two finds nothing stored",
    async run({ target, keys }, notes) {
      for (const name of KEY_NAMES) {
        for (const { how, key } of similarKeys(keys[name], Object.values(keys))) {
          for (const as of HEADERS) {
            const { status } = await target.sendAs(credential(as, key));
            if (status === 200) notes.failed(`KEY_${name} ${how} got a list`);
          }
        }
      }
    },
  },
  {
    sentence: "two different keys in one request get 400",
    async run({ target, keys }, notes) {
      for (const [one, other] of [
        [keys.A, keys.B],
        [keys.B, keys.A],
      ] as const) {
        const both = { ...credential("bearer", one), ...credential("x-api-key", other) };
        const { status } = await target.sendAs(both);
        if (status !== 400) notes.failed(`${status} instead of 400`);
      }
    },
  },
  {
    sentence: "a key in a cookie is no key",
    async run({ target, keys }, notes) {
      for (const cookie of ["api_key", "key", "token", "authorization"]) {
        const { status } = await target.sendAs({ cookie: `${cookie}=${keys.A}` });
        if (status !== 401 && status !== 400) notes.failed(`${status} instead of 401`);
      }
    },
  },
  {
    sentence: "a key in the URL is no key",
    async run({ target, keys, mayPutKeysInUrls }, notes) {
      if (!mayPutKeysInUrls) {
        notes.skipped("it would stay in the access logs on the way; --key-in-url tries it all the same");
        return;
      }
      const key = encodeURIComponent(keys.A);
      const names = ["api_key", "apikey", "key", "access_token", "token", "authorization"];
      for (const path of [...names.map((name) => `/models?${name}=${key}`), `/models/${key}`]) {
        const { status } = await target.sendAs({}, { path });
        if (status !== 401 && status !== 400) notes.failed(`${status} instead of 401`);
      }
    },
  },
];

// The larger list may be the one that NanoGPT gives to everyone; the smaller one cannot be.
function isListOfAKey({ status, ids, headers }: Answer, { pair }: CheckContext): boolean {
  if (status !== 200 || ids === undefined) return false;
  if (!pair.areEqual && isSame(ids, pair[pair.smaller].ids)) return true;
  const isForwarded = headers["cache-status"]?.startsWith("keylane; fwd=") === true;
  return !isForwarded && KEY_NAMES.some((name) => isSame(ids, pair[name].ids));
}
