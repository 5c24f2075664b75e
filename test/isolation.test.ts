import { describe, expect, test } from "vitest";
import { ALICE, BOB, scene } from "./support/scene.ts";

describe("a key's list", () => {
  test("is never served to another key", async () => {
    const { list } = await scene();
    const alice = await list(ALICE);
    const bob = await list(BOB);
    expect(alice.ids()).toEqual(["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"]);
    expect(bob.ids()).toEqual(["NousResearch/hermes-4-70b"]);
  });
});
