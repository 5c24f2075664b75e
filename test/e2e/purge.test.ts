// After PURGE, DELETE or a 401 nothing is stored for a key, and no earlier fetch can store its list.
import { describe, expect, test } from "vitest";
import { ACCOUNTS, ALICE, BOB, setup } from "../support/setup.ts";
import { errorOf, storedList, NEW, OLD, POLL, staleSetup } from "../support/stale-setup.ts";

const VARIANTS = [
  { path: "/v1/models" },
  { path: "/v1/models?detailed=true" },
  { path: "/subscription/v1/models" },
  { path: "/v1/models?sort=favorites" },
  { headers: { origin: "https://chat.example.org" } },
];
const BOB_LIST = ["NousResearch/hermes-4-70b"];

describe.each(["PURGE", "DELETE"])("%s …/models", (method) => {
  test("removes everything stored for that key and no other", async () => {
    const all = await setup();
    for (const variant of VARIANTS) await all.list(ALICE, variant);
    await all.list(BOB);
    const count = all.nano.seen.length;

    const answer = await all.list(ALICE, { method });
    expect([answer.status, answer.text]).toEqual([204, ""]);
    for (const variant of VARIANTS) expect(await storedList(all, ALICE, variant)).toBeUndefined();
    expect(await storedList(all, BOB)).toEqual(BOB_LIST);
    expect(all.nano.seen).toHaveLength(count);
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });

  test.each([
    "/v1/models",
    "/models",
    "/api/v1/models/",
    "/subscription/v1/models",
    "/basic/v1/v1/models?detailed=true",
  ])("works under every base URL: %s", async (path) => {
    const all = await staleSetup(0);
    expect((await all.list(ALICE, { method, path })).status).toBe(204);
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test("gives 204 where nothing is stored, and accepts x-api-key", async () => {
    const { call, nano } = await setup();
    const answer = await call("/v1/models", { method, headers: { "x-api-key": ALICE } });
    expect(answer.status).toBe(204);
    expect(nano.seen).toHaveLength(0);
  });

  test.each([
    { given: "no key", headers: {}, error: { status: 401, code: "missing_api_key" } },
    { given: "an invalid key", headers: { "x-api-key": "a b" }, error: { status: 401, code: "invalid_api_key" } },
    {
      given: "two keys",
      headers: { authorization: `Bearer ${ALICE}`, "x-api-key": BOB },
      error: { status: 400, code: "ambiguous_credentials" },
    },
  ])("requires one valid key: $given", async ({ headers, error }) => {
    const all = await staleSetup(0);
    expect(errorOf(await all.call("/v1/models", { method, headers }))).toEqual(error);
    expect(await storedList(all, ALICE)).toEqual(OLD);
  });

  test("prevents an in-flight first fetch from being stored", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const pending = all.list(ALICE);
    await fetching.arrived;
    expect((await all.list(ALICE, { method })).status).toBe(204);
    fetching.release();
    const answer = await pending;
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=uri-miss");
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test("prevents an in-flight refresh from being stored", async () => {
    const all = await staleSetup(120_000);
    const refresh = all.nano.hold();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await refresh.arrived;
    await all.list(ALICE, { method });
    refresh.release();
    await all.nano.lists()[1]?.closed;
    // Once a later fetch of the same key is answered, the earlier response has been processed.
    await all.list(ALICE, { path: "/paid/v1/models" });
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test("is not undone by a refresh that fails", async () => {
    const all = await staleSetup(600_000);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 500 }, { times: 1 });
    const pending = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method });
    refresh.release();
    expect((await pending).status).toBe(502);
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
  });

  test("makes the next client start a new fetch", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const earlier = all.list(ALICE);
    await fetching.arrived;
    await all.list(ALICE, { method });
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    all.nano.show(ALICE, "openai/gpt-4-turbo");
    fetching.release();
    await earlier;
    expect(await storedList(all, ALICE)).toEqual(NEW);
  });

  test("does not affect another key's in-flight fetch", async () => {
    const all = await setup();
    const fetching = all.nano.hold();
    const pending = all.list(BOB);
    await fetching.arrived;
    await all.list(ALICE, { method });
    fetching.release();
    await pending;
    expect(await storedList(all, BOB)).toEqual(BOB_LIST);
  });
});

describe("a key revoked during its list fetch", () => {
  test("has nothing stored: a 401 in the meantime also decides the earlier call", async () => {
    const all = await setup();
    const { list, nano } = all;
    const fetching = nano.hold();
    const pending = list(ALICE);
    await fetching.arrived;
    nano.revoke(ALICE);
    expect((await list(ALICE, { path: "/v1/models?detailed=true" })).status).toBe(401);
    for (const account of ACCOUNTS) nano.setAccount(account);
    fetching.release();
    expect(errorOf(await pending)).toEqual({ status: 401, code: "invalid_api_key" });
    expect(await storedList(all, ALICE)).toBeUndefined();
  });

  test("has nothing stored where the fetch was a background refresh", async () => {
    const all = await staleSetup(120_000);
    const { list, nano } = all;
    const refresh = nano.hold();
    await list(ALICE);
    await refresh.arrived;
    nano.revoke(ALICE);
    expect((await list(ALICE, { path: "/v1/models?detailed=true" })).status).toBe(401);
    for (const account of ACCOUNTS) nano.setAccount(account);
    refresh.release();
    await nano.lists()[1]?.closed;
    expect(await storedList(all, ALICE)).toBeUndefined();
    expect((await list(ALICE)).status).toBe(401);
  });

  test("is served again once upstream accepts it and the negative entry has expired", async () => {
    const all = await staleSetup(600_000);
    all.nano.revoke(ALICE);
    expect((await all.list(ALICE)).status).toBe(401);
    for (const account of ACCOUNTS) all.nano.setAccount(account);
    await all.keylane.advance(5100);
    await expect.poll(async () => (await all.list(ALICE)).status, POLL).toBe(200);
  });
});
