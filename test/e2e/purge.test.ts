import { describe, expect, test } from "vitest";
import { ACCOUNTS, ALICE, BOB, scene } from "../support/setup.ts";
import { errorOf, held, NEW, OLD, SOON, storedScene } from "../support/stale-setup.ts";

const VARIANTS = [
  { path: "/v1/models" },
  { path: "/v1/models?detailed=true" },
  { path: "/subscription/v1/models" },
  { path: "/v1/models?sort=favorites" },
  { headers: { origin: "https://chat.example.org" } },
];
const BOBS = ["NousResearch/hermes-4-70b"];

describe.each(["PURGE", "DELETE"])("%s …/models", (method) => {
  test("forgets everything held for that key, and for no other", async () => {
    const all = await scene();
    for (const variant of VARIANTS) await all.list(ALICE, variant);
    await all.list(BOB);
    const asked = all.nano.seen.length;

    const answer = await all.list(ALICE, { method });
    expect([answer.status, answer.text]).toEqual([204, ""]);
    for (const variant of VARIANTS) expect(await held(all, ALICE, variant)).toBeUndefined();
    expect(await held(all, BOB)).toEqual(BOBS);
    expect(all.nano.seen).toHaveLength(asked);
    expect((await all.list(ALICE)).headers["cache-status"]).toBe("keylane; fwd=uri-miss; stored");
  });

  test.each([
    "/v1/models",
    "/models",
    "/api/v1/models/",
    "/subscription/v1/models",
    "/basic/v1/v1/models?detailed=true",
  ])("works under every base URL: %s", async (path) => {
    const all = await storedScene(0);
    expect((await all.list(ALICE, { method, path })).status).toBe(204);
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test("is 204 where nothing is held, too, and with x-api-key", async () => {
    const { call, nano } = await scene();
    const answer = await call("/v1/models", { method, headers: { "x-api-key": ALICE } });
    expect(answer.status).toBe(204);
    expect(nano.seen).toHaveLength(0);
  });

  test.each([
    { given: "no key", headers: {}, error: { status: 401, code: "missing_api_key" } },
    {
      given: "no key's form",
      headers: { "x-api-key": "a b" },
      error: { status: 401, code: "invalid_api_key" },
    },
    {
      given: "two keys",
      headers: { authorization: `Bearer ${ALICE}`, "x-api-key": BOB },
      error: { status: 400, code: "ambiguous_credentials" },
    },
  ])("needs a key: $given", async ({ headers, error }) => {
    const all = await storedScene(0);
    expect(errorOf(await all.call("/v1/models", { method, headers }))).toEqual(error);
    expect(await held(all, ALICE)).toEqual(OLD);
  });

  test("beats the first fetch in flight", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const asked = all.list(ALICE);
    await flight.arrived;
    expect((await all.list(ALICE, { method })).status).toBe(204);
    flight.release();
    const answer = await asked;
    expect(answer.ids()).toEqual(OLD);
    expect(answer.headers["cache-status"]).toBe("keylane; fwd=uri-miss");
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test("beats a refresh in flight", async () => {
    const all = await storedScene(120_000);
    const refresh = all.nano.hold();
    expect((await all.list(ALICE)).ids()).toEqual(OLD);
    await refresh.arrived;
    await all.list(ALICE, { method });
    refresh.release();
    await all.nano.lists()[1]?.closed;
    // A later question of the same key shows that the answer to the earlier one has been dealt with.
    await all.list(ALICE, { path: "/paid/v1/models" });
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test("is not undone by a refresh that fails", async () => {
    const all = await storedScene(600_000);
    const refresh = all.nano.hold();
    all.nano.fail({ kind: "status", status: 500 }, { times: 1 });
    const asked = all.list(ALICE);
    await refresh.arrived;
    await all.list(ALICE, { method });
    refresh.release();
    expect((await asked).status).toBe(502);
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
  });

  test("gives the next caller a flight of his own", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const before = all.list(ALICE);
    await flight.arrived;
    await all.list(ALICE, { method });
    all.nano.hide(ALICE, "openai/gpt-4-turbo");
    expect((await all.list(ALICE)).ids()).toEqual(NEW);
    all.nano.show(ALICE, "openai/gpt-4-turbo");
    flight.release();
    await before;
    expect(await held(all, ALICE)).toEqual(NEW);
  });

  test("leaves another key's fetch in flight alone", async () => {
    const all = await scene();
    const flight = all.nano.hold();
    const asked = all.list(BOB);
    await flight.arrived;
    await all.list(ALICE, { method });
    flight.release();
    await asked;
    expect(await held(all, BOB)).toEqual(BOBS);
  });
});

describe("a key revoked while its list is on the way", () => {
  test("leaves nothing behind: a 401 learned meanwhile counts for the earlier call", async () => {
    const all = await scene();
    const { list, nano } = all;
    const flight = nano.hold();
    const asked = list(ALICE);
    await flight.arrived;
    nano.revoke(ALICE);
    expect((await list(ALICE, { path: "/v1/models?detailed=true" })).status).toBe(401);
    for (const account of ACCOUNTS) nano.setAccount(account);
    flight.release();
    expect(errorOf(await asked)).toEqual({ status: 401, code: "invalid_api_key" });
    expect(await held(all, ALICE)).toBeUndefined();
  });

  test("leaves nothing behind where the refresh ran in the background", async () => {
    const all = await storedScene(120_000);
    const { list, nano } = all;
    const refresh = nano.hold();
    await list(ALICE);
    await refresh.arrived;
    nano.revoke(ALICE);
    expect((await list(ALICE, { path: "/v1/models?detailed=true" })).status).toBe(401);
    for (const account of ACCOUNTS) nano.setAccount(account);
    refresh.release();
    await nano.lists()[1]?.closed;
    expect(await held(all, ALICE)).toBeUndefined();
    expect((await list(ALICE)).status).toBe(401);
  });

  test("can be asked for again once it is good and the refusal is over", async () => {
    const all = await storedScene(600_000);
    all.nano.revoke(ALICE);
    expect((await all.list(ALICE)).status).toBe(401);
    for (const account of ACCOUNTS) all.nano.setAccount(account);
    await all.keylane.advance(5100);
    await expect.poll(async () => (await all.list(ALICE)).status, SOON).toBe(200);
  });
});
