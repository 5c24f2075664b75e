import type { Check } from "./check.ts";
import { ownLists } from "./own-lists.ts";
import { strangers } from "./anonymous-access.ts";
import { fieldsOfAnswers, nothingLeaks } from "./headers.ts";
import { deception } from "./cache-deception.ts";
import { purges } from "./purges.ts";

/** All checks in the order in which they are made: the first ones leave both lists held for the others. */
export const CHECKS: readonly Check[] = [
  ...ownLists,
  ...strangers,
  ...fieldsOfAnswers,
  deception,
  ...purges,
  ...nothingLeaks,
];
