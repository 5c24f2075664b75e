// A fetch from before a purge or a 401 is recognized, however many other keys are purged in between.
import { describe, expect, test } from "vitest";
import { createGenerations } from "../../src/cache/generations.ts";
import { errorBody } from "../../src/http/errors.ts";

const revocation = { kind: "unauthorized", body: errorBody(401, "invalid_api_key", "Refused.") } as const;

describe("a fingerprint's generation", () => {
  test("is raised by a purge and by a 401, for this fingerprint alone", () => {
    const generations = createGenerations();
    const [alice, bob] = [generations.current("alice"), generations.current("bob")];
    generations.advance("alice");
    const purged = generations.current("alice");
    generations.advance("alice", revocation);
    expect(new Set([alice, purged, generations.current("alice")]).size).toBe(3);
    expect(generations.current("bob")).toBe(bob);
  });

  test("stays raised where 5,000 other keys are purged afterwards", () => {
    const generations = createGenerations();
    const before = generations.current("alice");
    generations.advance("alice");
    for (let i = 0; i < 5200; i++) generations.advance(`stranger-${i}`);
    expect(generations.current("alice")).not.toBe(before);
  });

  test("remembers a 401 for the fetches that began before it, also after a purge, and for no later one", () => {
    const generations = createGenerations();
    const before = generations.current("alice");
    generations.advance("alice");
    const between = generations.current("alice");
    generations.advance("alice", revocation);
    generations.advance("alice");
    expect(generations.revokedSince("alice", before)).toEqual(revocation);
    expect(generations.revokedSince("alice", between)).toEqual(revocation);
    expect(generations.revokedSince("alice", generations.current("alice"))).toBeUndefined();
    expect(generations.revokedSince("bob", before)).toBeUndefined();
  });
});
