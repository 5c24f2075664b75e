import { randomUUID } from "node:crypto";
import { isSame } from "./accounts.ts";
import type { Check } from "./check.ts";

// A cache that goes by a name's extension takes these for files; Keylane passes the last two through.
const DISGUISES = [
  { suffix: "/NAME.css", isPassedThrough: false },
  { suffix: "//NAME.js", isPassedThrough: false },
  { suffix: "/static/NAME.png", isPassedThrough: false },
  { suffix: ";NAME.css", isPassedThrough: true },
  { suffix: ".css?NAME", isPassedThrough: true },
];

/** Web cache deception: a key's list is requested under the name of a file, then that file is requested without a key. */
export const cacheDeception: Check = {
  sentence: "a list asked for under the name of a file is not kept for those who come without a key",
  async run({ target, pair }, notes) {
    const { smaller } = pair;
    for (const { suffix, isPassedThrough } of DISGUISES) {
      const path = `/models${suffix.replace("NAME", randomUUID())}`;
      const request = { path, isPassedThrough, mayFetch: isPassedThrough };
      await target.send(smaller, request);
      // Twice: the first request may be the one that fills a cache.
      for (let again = 0; again < 2; again++) {
        const { status, ids } = await target.sendAs({}, request);
        // If both keys see NanoGPT's list for everyone, a request that passes through may get that list.
        const isConclusive = !isPassedThrough || !pair.areEqual;
        if (status === 200 && isConclusive && isSame(ids ?? [], pair[smaller].ids)) {
          notes.failed(`the list of KEY_${smaller} was given to no key at …/models${suffix.replace("NAME", "x")}`);
        } else if (status === 200 && !isPassedThrough) notes.failed("200 without a key");
      }
    }
  },
};
