import { expect, test } from "vitest";
import { ALICE, scene } from "../support/setup.ts";

const KEYS = Array.from({ length: 30 }, (_, i) => `sk-nano-test-caller-${i}`);

interface Line {
  readonly msg: string;
  readonly times?: number;
  readonly seconds?: number;
}

test("an upstream that fails everyone for minutes takes a line a minute, and one when it is well again", async () => {
  const { nano, keylane, list } = await scene(
    {},
    KEYS.map((key) => ({ key })),
  );
  const told = async () =>
    (await keylane.log()).map((line) => JSON.parse(line) as Line).filter(({ msg }) => msg !== "request");
  nano.fail({ kind: "status", status: 503 }, { path: "/v1" });
  for (let round = 0; round < 9; round++) {
    const answers = await Promise.all(KEYS.map((key) => list(key)));
    expect(answers.every(({ status }) => status === 503)).toBe(true);
    await keylane.advance(20_000);
  }
  expect((await told()).map(({ msg, times }) => [msg, times])).toEqual([
    ["list not fetched", 1],
    ["list not fetched", 90],
    ["list not fetched", 90],
  ]);

  nano.fail(undefined);
  await Promise.all(KEYS.map((key) => list(key)));
  expect((await told()).slice(3)).toMatchObject([{ msg: "lists are fetched again", times: 270 }]);
  // What each caller got is in the line of his request.
  expect(nano.lists()).toHaveLength(300);
});

test("rows that are no models are counted, and told of once a minute", async () => {
  const { nano, keylane, list } = await scene();
  nano.fail({ kind: "bad-rows" }, { path: "/v1" });
  for (let round = 0; round < 4; round++) {
    await list(ALICE, { headers: { "cache-control": "no-cache" } });
    await keylane.advance(20_000);
  }
  const told = (await keylane.log()).filter((line) => line.includes('"rows":'));
  expect(told.map((line) => (JSON.parse(line) as Line).times)).toEqual([1, 3]);
});
