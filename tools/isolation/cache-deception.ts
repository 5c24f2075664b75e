import { randomUUID } from "node:crypto";
import { isSame } from "./accounts.ts";
import type { Check } from "./check.ts";

// A cache that goes by the end of the name takes them for files; Keylane takes the last two for calls to pass through.
const DISGUISES = [
  { suffix: "/NAME.css", isPassedThrough: false },
  { suffix: "//NAME.js", isPassedThrough: false },
  { suffix: "/static/NAME.png", isPassedThrough: false },
  { suffix: ";NAME.css", isPassedThrough: true },
  { suffix: ".css?NAME", isPassedThrough: true },
];

/** Web cache deception: a key's list asked for under the name of a file, then the file asked for by anyone. */
export const cacheDeception: Check = {
  sentence: "a list asked for under the name of a file is not kept for those who come without a key",
  async run({ instance, pair }, notes) {
    const { narrower } = pair;
    for (const { suffix, isPassedThrough } of DISGUISES) {
      const path = `/models${suffix.replace("NAME", randomUUID())}`;
      const question = { path, isPassedThrough, mayAsk: isPassedThrough };
      await instance.ask(narrower, question);
      // Twice: the first one may be what fills a cache.
      for (let again = 0; again < 2; again++) {
        const { status, ids } = await instance.askAs({}, question);
        // What passes through may be NanoGPT's list for everyone, if both keys see just that.
        const isTelling = !isPassedThrough || !pair.areEqual;
        if (status === 200 && isTelling && isSame(ids ?? [], pair[narrower].ids)) {
          notes.fault(`the list of KEY_${narrower} was given to no key at …/models${suffix.replace("NAME", "x")}`);
        } else if (status === 200 && !isPassedThrough) notes.fault("200 without a key");
      }
    }
  },
};
