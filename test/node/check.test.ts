// `keylane check` reports whether an address is a Keylane, whether NanoGPT accepts the key, and what to do if not.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { keylaneWithStandIn } from "../support/isolation/command.ts";
import { run } from "../support/program.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";

/** Starts a server that gives every request the same response. */
async function serverWithResponse(status: number, body: string, headers: Record<string, string> = {}): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status, headers).end(body));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close().closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const check = (url: string, key: string, ...args: string[]) =>
  run(["check", "--url", url, ...args], { NANOGPT_API_KEY: key });
const checkJson = async (url: string, key = ALICE) => {
  const { code, stdout, stderr } = await check(url, key, "--json");
  expect(stdout + stderr).not.toContain(key);
  return { code, ...JSON.parse(stdout) };
};

describe("keylane check of a Keylane", () => {
  test("reports an accepted key, the number of models, and that the second response was cached", async () => {
    const { nano, url } = await keylaneWithStandIn();
    const { code, stdout, stderr } = await check(url, ALICE);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(
      stdout
        .replaceAll(/[\d.]+ ms/g, "N ms")
        .replaceAll(url, "URL")
        .replaceAll(/ttl=\d+/g, "ttl=T"),
    ).toBe(
      `Check of URL/v1

  server   Keylane
  key      accepted
  models   2, basic shape
  answer 1 MISS N ms (keylane; fwd=uri-miss; stored)
  answer 2 HIT  N ms (keylane; hit; ttl=T)

Base URLs to paste:
  OpenAI SDK, LibreChat, Open WebUI, SillyTavern, Cline
    URL/v1
  Roo Code
    URL/api/v1thinking
  Kilo Code
    URL/detailed/v1
  Claude Code
    URL
`,
    );
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models"]);
  });

  test.each([
    ["/detailed/v1/", "detailed"],
    ["/openrouter/api/v1/models", "openrouter"],
    ["/basic/paid/v1", "basic"],
  ])("under %s reports the shape %s as JSON", async (base, shape) => {
    const { url } = await keylaneWithStandIn();
    const received = await checkJson(url + base);
    const { baseUrls, answers, ...rest } = received;
    expect(rest).toMatchObject({
      code: 0,
      isGood: true,
      problems: [],
      server: "keylane",
      key: "accepted",
      shape,
    });
    expect(answers).toMatchObject([{ cache: "MISS" }, { cache: "HIT" }]);
    expect(baseUrls["Claude Code"]).toBe(url);
  });

  test("defaults to this machine, at PORT", async () => {
    const { url } = await keylaneWithStandIn();
    const environment = { NANOGPT_API_KEY: ALICE, PORT: new URL(url).port };
    const { code, stdout } = await run(["check"], environment);
    expect(code).toBe(0);
    expect(stdout).toContain(url);
  });

  test("does not accept a key because of a list that NanoGPT gives to everyone", async () => {
    const { url } = await keylaneWithStandIn(ACCOUNTS, { MODELS_LIST: "canonical" });
    const received = await checkJson(url, "sk-nano-test-nobody");
    expect(received).toMatchObject({ code: 1, isGood: false, key: "refused", server: "keylane" });
    expect(received.models).toBeGreaterThan(2);
    expect(received.problems).toEqual([expect.stringMatching(/^The key is refused: make one at https:/)]);
  });

  test("says what to do about a rejected key", async () => {
    const { url } = await keylaneWithStandIn();
    const { code, stdout } = await check(url, "sk-nano-test-nobody");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}key {6}refused$/m);
    expect(stdout).toMatch(/^Wrong: The key is refused: make one at .* set NANOGPT_API_KEY to it\. The answer was: /m);
    expect(stdout).not.toContain("nobody");
  });

  test("reports that nothing was cached, or that a stored list was served because NanoGPT failed", async () => {
    const { nano, url } = await keylaneWithStandIn(ACCOUNTS, { MAX_AGE: "0", STALE_WHILE_REVALIDATE: "0" });
    expect(await checkJson(url)).toMatchObject({ code: 1, problems: [expect.stringMatching(/MAX_AGE/)] });
    nano.fail({ kind: "status", status: 500 });
    expect(await checkJson(url)).toMatchObject({ code: 1, problems: [expect.stringMatching(/log\.$/)] });
  });

  test("reports an empty list", async () => {
    const { nano, url } = await keylaneWithStandIn();
    nano.fail({ kind: "status", status: 200, body: '{"object":"list","data":[]}' });
    const received = await checkJson(url);
    expect(received).toMatchObject({
      code: 1,
      models: 0,
      problems: [expect.stringMatching(/make models visible/)],
    });
  });

  test("repeats Keylane's message when NanoGPT cannot be reached", async () => {
    const { url } = await keylaneWithStandIn(ACCOUNTS, {
      UPSTREAM_URL: `http://127.0.0.1:${await freePort()}/api`,
    });
    const received = await checkJson(url);
    expect(received).toMatchObject({ code: 1, key: "unknown" });
    expect(received.problems).toEqual([expect.stringMatching(/answered 502: NanoGPT could not be reached: check/)]);
  });
});

describe("keylane check of another server", () => {
  test("requests the personalized list of NanoGPT itself, which shows whether the key is valid", async () => {
    const { nano } = await keylaneWithStandIn();
    const received = await checkJson(nano.url);
    expect(received).toMatchObject({ code: 0, server: "other", key: "accepted", baseUrls: {} });
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/v1/models", "/api/personalized/v1/models"]);
    expect(await checkJson(nano.url, "sk-nano-test-nobody")).toMatchObject({ code: 1, key: "refused" });
    expect((await check(nano.url, ALICE)).stdout).toContain("Start Keylane with `keylane`");
  });

  test("reports that nothing answers", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stdout } = await check(url, ALICE);
    expect(code).toBe(1);
    expect(stdout).toContain(`Wrong: Nothing answers at ${url}/v1 (ECONNREFUSED): start Keylane there`);
  });

  test.each([
    [200, "<html>hello</html>", /is no model list: name Keylane's address with --url/],
    [404, "nothing", /answered 404: name Keylane's or NanoGPT's address/],
    [302, "", /answered 302/],
    [400, JSON.stringify({ error: `\u001B[31m${ALICE}\n` }), /answered 400: {2}\[31m\[key\] $/],
  ])("reports a problem for %s %j", async (status, body, problem) => {
    const received = await checkJson(await serverWithResponse(status, body, { location: "http://127.0.0.1:9/" }));
    expect(received).toMatchObject({ code: 1, problems: [expect.stringMatching(problem)] });
  });
});
