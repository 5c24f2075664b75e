import { describe, expect, test } from "vitest";
import { scene, type Scene } from "../support/setup.ts";
import { errorOf, held, SOON } from "../support/stale-setup.ts";

// Three parts as a signed token has them; this one says nothing and is signed by nobody.
const TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl";

describe("a signed token", () => {
  test("is forwarded, and its list is never stored", async () => {
    const all = await scene();
    const answer = await all.list(TOKEN);
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=bypass");
    expect(all.nano.lists()[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(await held(all, TOKEN)).toBeUndefined();
    // NanoGPT takes a token once.
    expect(errorOf(await all.list(TOKEN))).toEqual({ status: 401, code: "invalid_api_key" });
  });

  test("may be longer than a key", async () => {
    const { list } = await scene();
    expect((await list(`${TOKEN}${"x".repeat(1500)}`)).status).toBe(200);
  });

  test("may come as x-api-key", async () => {
    const { call, nano } = await scene();
    expect((await call("/v1/models", { headers: { "x-api-key": TOKEN } })).status).toBe(200);
    expect((await call("/v1/models", { headers: { "x-api-key": TOKEN } })).status).toBe(401);
    expect(nano.lists()).toHaveLength(2);
  });

  test("is asked for once for each call: nothing is collapsed", async () => {
    const { list, nano } = await scene();
    const both = nano.hold({ times: 2 });
    const answers = [list(TOKEN), list(TOKEN)];
    await expect.poll(() => nano.lists().length, SOON).toBe(2);
    both.release();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 401]));
  });

  test.each<{ failure: string; status: number; begin: (scene: Scene) => void }>([
    { failure: "500", status: 502, begin: ({ nano }) => nano.fail({ kind: "status", status: 500 }) },
    { failure: "503", status: 503, begin: ({ nano }) => nano.fail({ kind: "status", status: 503 }) },
    { failure: "429", status: 429, begin: ({ nano }) => nano.fail({ kind: "rate-limited" }) },
    { failure: "a reset", status: 502, begin: ({ nano }) => nano.fail({ kind: "reset-before-headers" }) },
    { failure: "a close", status: 502, begin: ({ nano }) => nano.fail({ kind: "close-before-headers" }) },
    { failure: "a broken body", status: 502, begin: ({ nano }) => nano.fail({ kind: "cut-chunked" }) },
    { failure: "silence", status: 504, begin: ({ nano }) => nano.fail({ kind: "hang-before-headers" }) },
  ])("is never retried, and its failure never remembered: $failure", async ({ status, begin }) => {
    const all = await scene({ LIST_TIMEOUT: "300ms" });
    // A connection that has been used before is where HTTP clients like to try again.
    await all.list("e30.Zmlyc3Q.c2ln");
    begin(all);
    expect((await all.list(TOKEN)).status).toBe(status);
    expect(all.nano.lists(TOKEN)).toHaveLength(1);
    all.nano.fail(undefined);
    expect((await all.list(TOKEN)).status).toBe(200);
  });

  test("asks upstream whatever its age: it is never refreshed in the background", async () => {
    const all = await scene({ MAX_AGE: "1s" });
    await all.list(TOKEN);
    await all.keylane.advance(90_000);
    await all.list(TOKEN);
    expect(all.nano.lists()).toHaveLength(2);
  });

  test("gets 504 where it may not be forwarded: only-if-cached", async () => {
    const { list, nano } = await scene();
    const answer = await list(TOKEN, { headers: { "cache-control": "only-if-cached" } });
    expect(errorOf(answer)).toEqual({ status: 504, code: "not_cached" });
    expect(nano.seen).toHaveLength(0);
  });
});
