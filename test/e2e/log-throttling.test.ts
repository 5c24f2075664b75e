// A failure that repeats for minutes takes one log line a minute, and one when it ends.
import { expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const KEYS = Array.from({ length: 30 }, (_, i) => `sk-nano-test-caller-${i}`);

interface Line {
  readonly msg: string;
  readonly times?: number;
  readonly seconds?: number;
}

test("an upstream that fails all clients is logged once a minute, and once when it recovers", async () => {
  const { nano, keylane, list } = await setup(
    {},
    KEYS.map((key) => ({ key })),
  );
  const logged = async () =>
    (await keylane.log()).map((line) => JSON.parse(line) as Line).filter(({ msg }) => msg !== "request");
  nano.fail({ kind: "status", status: 503 }, { path: "/v1" });
  for (let round = 0; round < 9; round++) {
    const answers = await Promise.all(KEYS.map((key) => list(key)));
    expect(answers.every(({ status }) => status === 503)).toBe(true);
    await keylane.advance(20_000);
  }
  expect((await logged()).map(({ msg, times }) => [msg, times])).toEqual([
    ["model list fetch failed", 1],
    ["model list fetch failed", 90],
    ["model list fetch failed", 90],
  ]);

  nano.fail(undefined);
  await Promise.all(KEYS.map((key) => list(key)));
  expect((await logged()).slice(3)).toMatchObject([{ msg: "model list fetch recovered", times: 270 }]);
  expect(nano.lists()).toHaveLength(300);
});

test("invalid rows are logged once a minute, with a count", async () => {
  const { nano, keylane, list } = await setup();
  nano.fail({ kind: "bad-rows" }, { path: "/v1" });
  for (let round = 0; round < 4; round++) {
    await list(ALICE, { headers: { "cache-control": "no-cache" } });
    await keylane.advance(20_000);
  }
  const logged = (await keylane.log()).filter((line) => line.includes('"rows":'));
  expect(logged.map((line) => (JSON.parse(line) as Line).times)).toEqual([1, 3]);
});
