import { expect } from "vitest";
import { ALICE, type Setup } from "../setup.ts";
import { storedList, POLL } from "../stale-setup.ts";
import { withinOf } from "./drive.ts";
import type { FaultRow } from "./table.ts";

/** How long an answer may take on a busy machine, all limits of the rows included. */
export const RECOVERY_MS = 10_000;

/** Expects that nothing of a fault is left once it is mended and its refusal over. */
export async function expectRecovered(all: Setup, row: FaultRow, ids: readonly string[]): Promise<void> {
  const ask = async () => {
    await all.keylane.advance(6000);
    await all.list(ALICE);
  };
  await ask();
  // A list that is not stale for long is refreshed in the background; and where little time is allowed, a busy machine
  // may need it all.
  const isHurried = withinOf(row) !== "at once";
  await expect
    .poll(async () => {
      if (isHurried) await ask();
      return storedList(all, ALICE);
    }, POLL)
    .toEqual(ids);
  expect((await all.list(ALICE)).text).toBe(await upstreamText(all));
}

/** What upstream itself says to Alice. */
async function upstreamText({ nano }: Setup): Promise<string> {
  const headers = { authorization: `Bearer ${ALICE}` };
  return (await fetch(`${nano.url}/personalized/v1/models`, { headers })).text();
}
