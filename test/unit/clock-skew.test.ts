// A process whose clock was set back does not hide newer lists from the other processes.
import { expect, test } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { createChaosStore } from "../support/chaos-store.ts";
import { sharedPeer } from "../support/shared-store-contract.ts";

const START = 1_750_000_000_000;
const HOUR = 3_600_000;

test("a purge by a clock that ran an hour fast and was set back invalidates no later list", async () => {
  const store = createChaosStore([]);
  const [skewed, other] = [sharedPeer(store, codecs), sharedPeer(store, codecs)];
  skewed.advance(HOUR);
  await skewed.alice().purge();
  skewed.advance(-HOUR);
  const list = listOf(START);
  await other.alice().set(list);
  expect(await skewed.alice().get()).toEqual(list);
  expect(await other.alice().get()).toEqual(list);
  await skewed.alice().set(listOf(START + 1));
  expect(await other.alice().get()).toEqual(listOf(START + 1));
});

function listOf(storedAt: number) {
  const bytes = new TextEncoder().encode(`a list of ${storedAt}`);
  const original = { coding: "gzip", bytes, etag: `W/"${"e".repeat(27)}"` } as const;
  return { storedAt, isEmpty: false, isBasic: false, original, views: new Map() };
}
