// A signed token is forwarded once per request: its list is not stored, its fetches are not collapsed or retried.
import { describe, expect, test } from "vitest";
import { setup, type Setup } from "../support/setup.ts";
import { errorOf, storedList, POLL } from "../support/stale-setup.ts";

// Three parts like a signed token; this one has no claims to check and no valid signature.
const TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl";

describe("a signed token", () => {
  test("is forwarded, and its list is never stored", async () => {
    const all = await setup();
    const answer = await all.list(TOKEN);
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=bypass");
    expect(all.nano.lists()[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(await storedList(all, TOKEN)).toBeUndefined();
    // NanoGPT accepts a token once.
    expect(errorOf(await all.list(TOKEN))).toEqual({ status: 401, code: "invalid_api_key" });
  });

  test("may be longer than a key", async () => {
    const { list } = await setup();
    expect((await list(`${TOKEN}${"x".repeat(1500)}`)).status).toBe(200);
  });

  test("may be sent as x-api-key", async () => {
    const { call, nano } = await setup();
    expect((await call("/v1/models", { headers: { "x-api-key": TOKEN } })).status).toBe(200);
    expect((await call("/v1/models", { headers: { "x-api-key": TOKEN } })).status).toBe(401);
    expect(nano.lists()).toHaveLength(2);
  });

  test("causes one upstream call per request: nothing is collapsed", async () => {
    const { list, nano } = await setup();
    const both = nano.hold({ times: 2 });
    const answers = [list(TOKEN), list(TOKEN)];
    await expect.poll(() => nano.lists().length, POLL).toBe(2);
    both.release();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 401]));
  });

  test.each<{ failure: string; status: number; breakUpstream: (all: Setup) => void }>([
    { failure: "500", status: 502, breakUpstream: ({ nano }) => nano.fail({ kind: "status", status: 500 }) },
    { failure: "503", status: 503, breakUpstream: ({ nano }) => nano.fail({ kind: "status", status: 503 }) },
    { failure: "429", status: 429, breakUpstream: ({ nano }) => nano.fail({ kind: "rate-limited" }) },
    { failure: "a reset", status: 502, breakUpstream: ({ nano }) => nano.fail({ kind: "reset-before-headers" }) },
    { failure: "a close", status: 502, breakUpstream: ({ nano }) => nano.fail({ kind: "close-before-headers" }) },
    { failure: "a broken body", status: 502, breakUpstream: ({ nano }) => nano.fail({ kind: "cut-chunked" }) },
    { failure: "a timeout", status: 504, breakUpstream: ({ nano }) => nano.fail({ kind: "hang-before-headers" }) },
  ])("is never retried, and its failure never remembered: $failure", async ({ status, breakUpstream }) => {
    const all = await setup({ LIST_TIMEOUT: "300ms" });
    // HTTP clients tend to retry on a reused connection, so this makes the connection a reused one.
    await all.list("e30.Zmlyc3Q.c2ln");
    breakUpstream(all);
    expect((await all.list(TOKEN)).status).toBe(status);
    expect(all.nano.lists(TOKEN)).toHaveLength(1);
    all.nano.fail(undefined);
    expect((await all.list(TOKEN)).status).toBe(200);
  });

  test("is always forwarded: its list is never refreshed in the background", async () => {
    const all = await setup({ MAX_AGE: "1s" });
    await all.list(TOKEN);
    await all.keylane.advance(90_000);
    await all.list(TOKEN);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("gets 504 with only-if-cached, which forbids forwarding", async () => {
    const { list, nano } = await setup();
    const answer = await list(TOKEN, { headers: { "cache-control": "only-if-cached" } });
    expect(errorOf(answer)).toEqual({ status: 504, code: "not_cached" });
    expect(nano.seen).toHaveLength(0);
  });
});
