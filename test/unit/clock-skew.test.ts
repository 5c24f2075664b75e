import { expect, test } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { chaosVault } from "../support/chaos-store.ts";
import { side } from "../support/shared-store-contract.ts";

const START = 1_750_000_000_000;
const HOUR = 3_600_000;

test("a purge by a clock that ran an hour ahead and was set back voids no list that comes later", async () => {
  const vault = chaosVault([]);
  const [hasty, other] = [side(vault, codecs), side(vault, codecs)];
  hasty.advance(HOUR);
  await hasty.alice().purge();
  hasty.advance(-HOUR);
  const list = listOf(START);
  await other.alice().set(list);
  expect(await hasty.alice().get()).toEqual(list);
  // Nor does it take it from the others.
  expect(await other.alice().get()).toEqual(list);
  await hasty.alice().set(listOf(START + 1));
  expect(await other.alice().get()).toEqual(listOf(START + 1));
});

function listOf(storedAt: number) {
  const bytes = new TextEncoder().encode(`a list of ${storedAt}`);
  const original = { coding: "gzip", bytes, etag: `W/"${"e".repeat(27)}"` } as const;
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}
