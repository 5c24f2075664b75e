import { describe, expect, test } from "vitest";
import { BAD_GATEWAYS } from "../support/isolation/bad-gateway.ts";
import { runCheck, command, failedOf, gatewayBefore, keylaneBefore } from "../support/isolation/command.ts";
import { ALICE, BOB } from "../support/setup.ts";

const CHECKS = 20;

describe("Keylane", () => {
  test("keeps two keys apart, in few questions to upstream", async () => {
    const { nano, url } = await keylaneBefore();
    const { code, out, err } = await command([url]);
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
    const { url } = await keylaneBefore();
    expect(await runCheck([url + base])).toMatchObject({ code: 0, err: "" });
  });

  test("passes where one key sees all that the other sees, and where it may be asked by certain pages only", async () => {
    const accounts = [{ key: ALICE }, { key: BOB, visible: ["NousResearch/hermes-4-70b"] }];
    const { url } = await keylaneBefore(accounts, { CORS_ORIGIN: "https://chat.example.org" });
    expect(await runCheck([url])).toMatchObject({ code: 0, err: "" });
  });

  test("is not blamed for a list of everyone's that NanoGPT gives to any key", async () => {
    const accounts = [{ key: ALICE }, { key: BOB, visible: ["NousResearch/hermes-4-70b"] }];
    const { url } = await keylaneBefore(accounts, { MODELS_LIST: "canonical" });
    const { code, out } = await runCheck([url]);
    expect(code).toBe(0);
    expect(out).toContain("NanoGPT itself gave it a list of everyone's");
  });

  test("passes once a model was hidden, though the old list was still stored", async () => {
    const { nano, url } = await keylaneBefore([{ key: ALICE }, { key: BOB }]);
    for (const key of [ALICE, BOB]) {
      await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    }
    nano.hide(BOB, "openai/gpt-4-turbo");
    expect(await runCheck([url])).toMatchObject({ code: 0 });
  });
});

describe("a gateway", () => {
  test.each(["", "/some/prefix"])("with good behaviour passes, behind %j too", async (prefix) => {
    const { code, out } = await runCheck([await gatewayBefore({}, prefix)]);
    expect(failedOf({ code, out, err: "" })).toEqual([]);
    expect(code).toBe(0);
  });

  test("is reported by the command with exit code 1", async () => {
    const worst = BAD_GATEWAYS.find(({ defect }) => defect === "one cache for all keys");
    const outcome = await command([await gatewayBefore(worst?.behaviour ?? {})]);
    expect(outcome.code).toBe(1);
    expect(failedOf(outcome).length).toBeGreaterThan(3);
  });

  test.each(BAD_GATEWAYS)("is found out: $defect", async ({ behaviour, breaks }) => {
    const outcome = await runCheck([await gatewayBefore(behaviour)]);
    const failed = failedOf(outcome).join("\n");
    for (const sentence of breaks) expect(failed).toContain(sentence);
    expect(outcome.code).toBe(1);
  });
});
