// When NanoGPT fails, a stale stored list is served, kept or deleted as the fault table says.
import { describe, expect, test } from "vitest";
import {
  expectedOutcome,
  outcomeOf,
  breakUpstream,
  storedAfter,
  repairUpstream,
  fastSettings,
  rowsOfRuntime,
  withinOf,
} from "../support/faults/drive.ts";
import { expectRecovered, MAX_ANSWER_MS } from "../support/faults/recovery.ts";
import { GROUPS, type FaultRow } from "../support/faults/table.ts";
import { ALICE, type Setup } from "../support/setup.ts";
import { storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

const STALE_MS = 90_000;
const STALE_IF_ERROR_MS = 600_000;
const DETAILED = { path: "/v1/models?detailed=true" };

const isGood = ({ group }: FaultRow) => GROUPS[group].cold === "the list";

/** Cache-Status once the fetch is over. */
const STATUS_AFTER = {
  "the new list": /^keylane; hit; ttl=(60|[1-5]\d)$/,
  "the stored list": /^keylane; hit; ttl=-\d+; detail=upstream-failed$/,
  "the same error": /^$/,
} as const;

/** Waits until the fetch is over, which may be after the client has its response. */
async function expectFetchOver({ list }: Setup, { group }: FaultRow): Promise<void> {
  await expect
    .poll(async () => (await list(ALICE)).headers["cache-status"] ?? "", POLL)
    .toMatch(STATUS_AFTER[GROUPS[group].stored]);
}

describe("with a stored list past STALE_WHILE_REVALIDATE, when NanoGPT", () => {
  test.for(rowsOfRuntime())("$name", async (row) => {
    const all = await staleSetup(STALE_IF_ERROR_MS, fastSettings(row));
    const { list, nano } = all;
    await list(ALICE, DETAILED);
    const fetches = nano.lists(ALICE).length + (row.cause === "refuse" ? 0 : 1);
    await breakUpstream(all, row);
    const startedAt = performance.now();
    const answer = await list(ALICE);
    expect(performance.now() - startedAt).toBeLessThan(MAX_ANSWER_MS);
    if (GROUPS[row.group].stored === "the stored list") {
      expect(answer.ids()).toEqual(OLD);
      // The client gets the stored list after half of LIST_TIMEOUT.
      const detail = withinOf(row) === "LIST_TIMEOUT" ? "refreshing" : "upstream-failed";
      expect(answer.headers["cache-status"]).toMatch(new RegExp(`; hit; ttl=-\\d+; detail=${detail}$`));
    } else expect(outcomeOf(answer)).toEqual(expectedOutcome(row, NEW));

    for (const { closed } of nano.lists(ALICE)) await closed;
    await expectFetchOver(all, row);
    expect(nano.lists(ALICE)).toHaveLength(fetches);
    const expected = storedAfter(row, OLD, NEW);
    expect(await storedList(all, ALICE)).toEqual(expected.list);
    expect(await storedList(all, ALICE, DETAILED)).toEqual(expected.others);
    if (isGood(row)) return;
    await repairUpstream(all, row);
    await expectRecovered(all, row, NEW);
  });
});

describe("with a stored list that is refreshed in the background, when NanoGPT", () => {
  test.for(rowsOfRuntime())("$name", async (row) => {
    const all = await staleSetup(STALE_MS, fastSettings(row));
    const { list, nano } = all;
    await breakUpstream(all, row);
    const answer = await list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toContain("detail=refreshing");

    await expectFetchOver(all, row);
    expect(nano.lists(ALICE)).toHaveLength(row.cause === "refuse" ? 1 : 2);
    expect(await storedList(all, ALICE)).toEqual(storedAfter(row, OLD, NEW).list);
    if (isGood(row)) return;
    if (GROUPS[row.group].stored === "the same error") {
      expect(outcomeOf(await list(ALICE))).toEqual(expectedOutcome(row, NEW));
    }
    await repairUpstream(all, row);
    await expectRecovered(all, row, NEW);
  });
});
