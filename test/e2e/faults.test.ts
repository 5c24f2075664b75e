// With nothing stored, each failure of NanoGPT gives its documented error, affects no other key, and is recovered from.
import { describe, expect, test } from "vitest";
import {
  expectedOutcome,
  outcomeOf,
  breakUpstream,
  repairUpstream,
  fastSettings,
  rowsOfRuntime,
} from "../support/faults/drive.ts";
import { expectRecovered, MAX_ANSWER_MS } from "../support/faults/recovery.ts";
import { GROUPS } from "../support/faults/table.ts";
import { ALICE, BOB, setup, type Answer } from "../support/setup.ts";
import { storedList, OLD } from "../support/stale-setup.ts";

const BOBS_LIST = ["NousResearch/hermes-4-70b"];

/** Text that occurs only in the broken upstream responses. */
const FAULT_TEXT = /elsewhere|standin|immutable|not-for-you|Blocked/i;

function expectEnvelope(answer: Answer): void {
  const { headers, text } = answer;
  expect(headers["content-type"]).toBe("application/json");
  expect(text).not.toMatch(/</);
  expect(text).not.toMatch(FAULT_TEXT);
  expect(Object.keys(answer.json())).toEqual(["error"]);
  expect(answer.json().error.message).toMatch(/\.$/);
}

describe("with nothing stored, when NanoGPT", () => {
  test.for(rowsOfRuntime())("$name", async (row) => {
    const isGood = GROUPS[row.group].cold === "the list";
    const all = await setup(fastSettings(row));
    const { list, nano } = all;
    await breakUpstream(all, row);
    const startedAt = performance.now();
    const answer = await list(ALICE);
    expect(performance.now() - startedAt).toBeLessThan(MAX_ANSWER_MS);
    expect(outcomeOf(answer)).toEqual(expectedOutcome(row, OLD));
    expect(answer.text.at(0)).toBe("{");
    expect(JSON.stringify(answer.headers)).not.toMatch(FAULT_TEXT);
    if (!isGood) expectEnvelope(answer);

    // The outcome is remembered; other keys on the same connections are not affected; no connection stays open.
    const fetches = row.cause === "refuse" ? 0 : 1;
    expect((await list(ALICE)).text).toBe(answer.text);
    expect(nano.lists(ALICE)).toHaveLength(fetches);
    if (row.cause !== "refuse") expect((await list(BOB)).ids()).toEqual(BOBS_LIST);
    for (const { closed } of nano.lists(ALICE)) await closed;
    if (isGood) return;

    expect(await storedList(all, ALICE)).toBeUndefined();
    await repairUpstream(all, row);
    await expectRecovered(all, row, OLD);
    expect((await list(BOB)).ids()).toEqual(BOBS_LIST);
  });
});
