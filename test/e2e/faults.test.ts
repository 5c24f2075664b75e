import { describe, expect, test } from "vitest";
import { answered, breakUpstream, mendUpstream, quick, rowsHere } from "../support/faults/drive.ts";
import { expectRecovered, PATIENCE_MS } from "../support/faults/recovery.ts";
import { GROUPS } from "../support/faults/table.ts";
import { ALICE, BOB, scene, type Answer } from "../support/setup.ts";
import { held, OLD } from "../support/stale-setup.ts";

const OF_BOB = ["NousResearch/hermes-4-70b"];

/** Words that only stand in the broken answers. */
const OF_THE_FAULT = /elsewhere|standin|immutable|not-for-you|Blocked/i;

function expectEnvelope(answer: Answer): void {
  const { headers, text } = answer;
  expect(headers["content-type"]).toBe("application/json");
  expect(text).not.toMatch(/</);
  expect(text).not.toMatch(OF_THE_FAULT);
  expect(Object.keys(answer.json())).toEqual(["error"]);
  expect(answer.json().error.message).toMatch(/\.$/);
}

describe("with nothing stored, where NanoGPT", () => {
  test.for(rowsHere())("$name", async (row) => {
    const isGood = GROUPS[row.group].cold === "the list";
    const all = await scene(quick(row));
    const { list, nano } = all;
    await breakUpstream(all, row);
    const startedAt = performance.now();
    const answer = await list(ALICE);
    expect(performance.now() - startedAt).toBeLessThan(PATIENCE_MS);
    expect(answered(answer)).toEqual(answered(row, OLD));
    expect(answer.text.at(0)).toBe("{");
    expect(JSON.stringify(answer.headers)).not.toMatch(OF_THE_FAULT);
    if (!isGood) expectEnvelope(answer);

    // It is remembered, other keys do not hear of it on the same connections, and nothing of it stays open.
    const asked = row.cause === "refuse" ? 0 : 1;
    expect((await list(ALICE)).text).toBe(answer.text);
    expect(nano.lists(ALICE)).toHaveLength(asked);
    if (row.cause !== "refuse") expect((await list(BOB)).ids()).toEqual(OF_BOB);
    for (const { closed } of nano.lists(ALICE)) await closed;
    if (isGood) return;

    expect(await held(all, ALICE)).toBeUndefined();
    await mendUpstream(all, row);
    await expectRecovered(all, row, OLD);
    expect((await list(BOB)).ids()).toEqual(OF_BOB);
  });
});
