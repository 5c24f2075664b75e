// `npm run test:isolation` passes for Keylane and fails for every gateway that mixes up two keys.
import { describe, expect, test } from "vitest";
import { BAD_GATEWAYS } from "../support/isolation/bad-gateway.ts";
import {
  runCheck,
  spawnCheck,
  failedLines,
  gatewayWithStandIn,
  keylaneWithStandIn,
} from "../support/isolation/command.ts";
import { ALICE, BOB } from "../support/setup.ts";

const CHECKS = 20;

describe("Keylane", () => {
  test("keeps two keys apart, with few requests to upstream", async () => {
    const { nano, url } = await keylaneWithStandIn();
    const { code, out, err } = await spawnCheck([url]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.match(/^ok {7}/gm)).toHaveLength(CHECKS);
    expect(out).toContain("KEY_A sees 2 models (2 of them alone), KEY_B 1 models (1 of them alone)");
    const [A, B] = [ALICE, BOB].map((key) => {
      return nano.seen.filter(({ headers }) => JSON.stringify(headers).includes(key)).length;
    });
    expect(out).toContain(`at most ${A} times with KEY_A and ${B} times with KEY_B`);
    expect(Math.max(A ?? 0, B ?? 0)).toBeLessThanOrEqual(10);
  });

  test.each(["/", "/v1/", "/v1/models", "/api/v1", "/detailed/v1"])("passes under the base URL %s", async (base) => {
    const { url } = await keylaneWithStandIn();
    expect(await runCheck([url + base])).toMatchObject({ code: 0, err: "" });
  });

  test("passes where one key sees all models of the other, and CORS_ORIGIN allows one page only", async () => {
    const accounts = [{ key: ALICE }, { key: BOB, visible: ["NousResearch/hermes-4-70b"] }];
    const { url } = await keylaneWithStandIn(accounts, { CORS_ORIGIN: "https://chat.example.org" });
    expect(await runCheck([url])).toMatchObject({ code: 0, err: "" });
  });

  test("passes where NanoGPT gives one list to every key", async () => {
    const accounts = [{ key: ALICE }, { key: BOB, visible: ["NousResearch/hermes-4-70b"] }];
    const { url } = await keylaneWithStandIn(accounts, { MODELS_LIST: "canonical" });
    const { code, out } = await runCheck([url]);
    expect(code).toBe(0);
    expect(out).toContain("NanoGPT itself gave it a list of everyone's");
  });

  test("passes after a model was hidden while the old list is still stored", async () => {
    const { nano, url } = await keylaneWithStandIn([{ key: ALICE }, { key: BOB }]);
    for (const key of [ALICE, BOB]) {
      await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    }
    nano.hide(BOB, "openai/gpt-4-turbo");
    expect(await runCheck([url])).toMatchObject({ code: 0 });
  });
});

describe("a gateway", () => {
  test.each(["", "/some/prefix"])("without a defect passes, under the prefix %j", async (prefix) => {
    const { code, out } = await runCheck([await gatewayWithStandIn({}, prefix)]);
    expect(failedLines({ code, out, err: "" })).toEqual([]);
    expect(code).toBe(0);
  });

  test("with a defect makes the command exit with 1", async () => {
    const worst = BAD_GATEWAYS.find(({ defect }) => defect === "one cache for all keys");
    const outcome = await spawnCheck([await gatewayWithStandIn(worst?.behaviour ?? {})]);
    expect(outcome.code).toBe(1);
    expect(failedLines(outcome).length).toBeGreaterThan(3);
  });

  test.each(BAD_GATEWAYS)("fails the checks with the defect: $defect", async ({ behaviour, breaks }) => {
    const outcome = await runCheck([await gatewayWithStandIn(behaviour)]);
    const failures = failedLines(outcome).join("\n");
    for (const sentence of breaks) expect(failures).toContain(sentence);
    expect(outcome.code).toBe(1);
  });
});
