// An error message says what to do about it.
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { run } from "../support/program.ts";
import { ALICE, setup } from "../support/setup.ts";

test("a missing secret: the message says how to make one", async () => {
  const { code, stderr } = await run([], { REDIS_URL: "redis://127.0.0.1:6379" });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Cannot start: CACHE_SECRET must be set where REDIS_URL is.*openssl rand -hex 32/);
});

test("an upstream that cannot be reached: client and log say what to check", async () => {
  const { list, keylane } = await setup({ UPSTREAM_URL: `http://127.0.0.1:${await freePort()}/api` });
  const { error } = (await list(ALICE)).json();
  expect(error.message).toMatch(/could not be reached: check this host's network and UPSTREAM_URL/);
  expect((await keylane.log()).join("\n")).toContain(
    "unreachable (ECONNREFUSED): check this host's network and UPSTREAM_URL",
  );
});

test.each([
  [429, "try again after the time in Retry-After."],
  [418, "check the key, UPSTREAM_URL and MODELS_LIST."],
  [401, "check it, or make a new one."],
])("a bare %s of NanoGPT's: the message says what to do", async (status, advice) => {
  const { list, nano } = await setup();
  nano.fail({ kind: "status", status, body: "<html>" });
  const { error } = (await list(ALICE)).json();
  expect(error.message.endsWith(advice)).toBe(true);
});
