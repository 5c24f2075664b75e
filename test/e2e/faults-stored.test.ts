import { describe, expect, test } from "vitest";
import {
  answered,
  breakUpstream,
  keptOf,
  mendUpstream,
  quick,
  rowsHere,
  withinOf,
} from "../support/faults/drive.ts";
import { expectRecovered, PATIENCE_MS } from "../support/faults/recovery.ts";
import { GROUPS, type FaultRow } from "../support/faults/table.ts";
import { ALICE, type Scene } from "../support/setup.ts";
import { held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

const STALE = 90_000;
const LATER = 600_000;
const DETAILED = { path: "/v1/models?detailed=true" };

const isGood = ({ group }: FaultRow) => GROUPS[group].cold === "the list";

/** What Cache-Status says once the fetch is over. */
const AFTERWARDS = {
  "the new list": /^keylane; hit; ttl=(60|[1-5]\d)$/,
  "the stored list": /^keylane; hit; ttl=-\d+; detail=upstream-failed$/,
  "the same error": /^$/,
} as const;

/** Waits for the end of a fetch that nobody may be waiting for any more. */
async function expectLanded({ list }: Scene, { group }: FaultRow): Promise<void> {
  await expect
    .poll(async () => (await list(ALICE)).headers["cache-status"] ?? "", SOON)
    .toMatch(AFTERWARDS[GROUPS[group].stored]);
}

describe("with a list stored that is too old to be served unasked, where NanoGPT", () => {
  test.for(rowsHere())("$name", async (row) => {
    const all = await storedScene(LATER, quick(row));
    const { list, nano } = all;
    await list(ALICE, DETAILED);
    const asked = nano.lists(ALICE).length + (row.cause === "refuse" ? 0 : 1);
    await breakUpstream(all, row);
    const startedAt = performance.now();
    const answer = await list(ALICE);
    expect(performance.now() - startedAt).toBeLessThan(PATIENCE_MS);
    if (GROUPS[row.group].stored === "the stored list") {
      expect(answer.ids()).toEqual(OLD);
      // Silence is not waited for to its end.
      const detail = withinOf(row) === "LIST_TIMEOUT" ? "refreshing" : "upstream-failed";
      expect(answer.headers["cache-status"]).toMatch(new RegExp(`; hit; ttl=-\\d+; detail=${detail}$`));
    } else expect(answered(answer)).toEqual(answered(row, NEW));

    for (const { closed } of nano.lists(ALICE)) await closed;
    await expectLanded(all, row);
    expect(nano.lists(ALICE)).toHaveLength(asked);
    const kept = keptOf(row, OLD, NEW);
    expect(await held(all, ALICE)).toEqual(kept.list);
    expect(await held(all, ALICE, DETAILED)).toEqual(kept.others);
    if (isGood(row)) return;
    await mendUpstream(all, row);
    await expectRecovered(all, row, NEW);
  });
});

describe("with a list stored that is refreshed in the background, where NanoGPT", () => {
  test.for(rowsHere())("$name", async (row) => {
    const all = await storedScene(STALE, quick(row));
    const { list, nano } = all;
    await breakUpstream(all, row);
    const answer = await list(ALICE);
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toContain("detail=refreshing");

    await expectLanded(all, row);
    expect(nano.lists(ALICE)).toHaveLength(row.cause === "refuse" ? 1 : 2);
    expect(await held(all, ALICE)).toEqual(keptOf(row, OLD, NEW).list);
    if (isGood(row)) return;
    if (GROUPS[row.group].stored === "the same error") {
      expect(answered(await list(ALICE))).toEqual(answered(row, NEW));
    }
    await mendUpstream(all, row);
    await expectRecovered(all, row, NEW);
  });
});
