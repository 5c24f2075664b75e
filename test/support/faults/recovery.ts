import { expect } from "vitest";
import { ALICE, type Setup } from "../setup.ts";
import { storedList, POLL } from "../stale-setup.ts";
import { withinOf } from "./drive.ts";
import type { FaultRow } from "./table.ts";

/** Upper bound for an answer on a busy machine, including every row's timeout. */
export const MAX_ANSWER_MS = 10_000;

/** Expects that a fault leaves no trace once it has ended and the remembered failure has expired. */
export async function expectRecovered(all: Setup, row: FaultRow, ids: readonly string[]): Promise<void> {
  const request = async () => {
    await all.keylane.advance(6000);
    await all.list(ALICE);
  };
  await request();
  // A list that is not stale for long is refreshed in the background. With a short LIST_TIMEOUT a busy machine may need
  // more than one attempt.
  const mayTimeOut = withinOf(row) !== "at once";
  await expect
    .poll(async () => {
      if (mayTimeOut) await request();
      return storedList(all, ALICE);
    }, POLL)
    .toEqual(ids);
  expect((await all.list(ALICE)).text).toBe(await upstreamText(all));
}

/** Upstream's list for Alice. */
async function upstreamText({ nano }: Setup): Promise<string> {
  const headers = { authorization: `Bearer ${ALICE}` };
  return (await fetch(`${nano.url}/personalized/v1/models`, { headers })).text();
}
