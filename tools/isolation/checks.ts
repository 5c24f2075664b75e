import type { Check } from "./check.ts";
import { ownLists } from "./own-lists.ts";
import { anonymousAccess } from "./anonymous-access.ts";
import { responseHeaders, noKeyLeaks } from "./headers.ts";
import { cacheDeception } from "./cache-deception.ts";
import { purges } from "./purges.ts";

/** All checks, in order: the first ones leave both lists stored for the others. */
export const CHECKS: readonly Check[] = [
  ...ownLists,
  ...anonymousAccess,
  ...responseHeaders,
  cacheDeception,
  ...purges,
  ...noKeyLeaks,
];
