// Where the isolation check cannot tell, it exits with 2, says why, and prints no key.
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseArguments } from "../../tools/isolation/arguments.ts";
import { runCheck, spawnCheck, gatewayWithStandIn, keylaneWithStandIn, KEYS } from "../support/isolation/command.ts";
import { GOOD } from "../support/isolation/gateway.ts";
import { ALICE, BOB } from "../support/setup.ts";

describe("the isolation check, given", () => {
  test.each<{ what: string; args?: string[]; keys?: Record<string, string>; message: RegExp }>([
    {
      what: "an empty address",
      args: [""],
      message: /^Cannot check: the address must be an http or https URL/,
    },
    { what: "no URL", args: ["localhost"], message: /the address must be/ },
    { what: "another scheme", args: ["ftp://localhost"], message: /the address must be/ },
    { what: "a URL with a query", args: ["http://localhost?x=1"], message: /without user, query or fragment/ },
    { what: "two URLs", args: ["http://a", "http://b"], message: /give one URL/ },
    { what: "an unknown option", args: ["--fast"], message: /an option is not known/ },
    { what: "a timeout of 0", args: ["--timeout", "0"], message: /a number of seconds/ },
    {
      what: "arguments after the URL",
      args: ["http://a", "one", "two"],
      message: /a key stands on the command line/,
    },
    { what: "a key as an argument", args: ["http://a", ALICE], message: /a key stands on the command line/ },
    { what: "a key in a URL", args: [`http://${BOB}@a`], message: /a key stands on the command line/ },
    {
      what: "a key as an option",
      args: ["--key-a", "0b9c1d2e3f"],
      message: /a key stands on the command line/,
    },
    { what: "a key as a setting", args: ["KEY_A=0b9c1d2e3f"], message: /a key stands on the command line/ },
    { what: "no KEY_A", keys: { KEY_B: BOB }, message: /KEY_A is missing/ },
    { what: "an empty KEY_B", keys: { KEY_A: ALICE, KEY_B: " " }, message: /KEY_B is missing/ },
    { what: "a key with a space", keys: { KEY_A: `${ALICE} x`, KEY_B: BOB }, message: /KEY_A is not a key/ },
    { what: "a signed token", keys: { ...KEYS, KEY_A: "abc.def.ghi" }, message: /KEY_A is a signed token/ },
    { what: "the same key twice", keys: { KEY_A: ALICE, KEY_B: ALICE }, message: /the same key/ },
    {
      what: "an address where nothing listens",
      args: ["http://127.0.0.1:1"],
      message: /nobody answers at the address\. Start/,
    },
  ])("$what", async ({ args = ["http://127.0.0.1:1"], keys = KEYS, message }) => {
    const { code, out, err } = await runCheck(args, keys);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
    expect(err).toMatch(/^Cannot check: [^\n]*\.\n$/);
  });

  test.each([
    { status: 401, message: /KEY_B is refused \(401\)/ },
    { status: 403, message: /KEY_B is refused \(403\)/ },
    { status: 429, message: /KEY_B has used up its requests/ },
    { status: 500, message: /gets no list from NanoGPT \(502\)/ },
  ])("a key that NanoGPT answers with $status", async ({ status, message }) => {
    const { nano, url } = await keylaneWithStandIn();
    nano.fail({ kind: "status", status }, { key: BOB });
    const { code, err } = await runCheck([url]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  test("an upstream that is down (in a child process)", async () => {
    const { nano, url } = await keylaneWithStandIn();
    await nano.pause();
    const { code, err } = await spawnCheck([url]);
    expect(code).toBe(2);
    expect(err).toMatch(/gets no list from NanoGPT \(502\)/);
  });

  test("two equal lists: every other check is made, and the result is inconclusive", async () => {
    const { url } = await keylaneWithStandIn([{ key: ALICE }, { key: BOB }]);
    const { code, out, err } = await runCheck([url]);
    expect(code).toBe(2);
    expect(err).toMatch(/^Inconclusive: both keys get the same models.* Hide a model in one of the two accounts/);
    expect(out.match(/^unclear .*cannot be seen while both lists are equal$/gm)).toHaveLength(8);
    expect(out.match(/^ok {7}/gm)).toHaveLength(12);
    expect(out).not.toContain("FAILED");
  });

  test("two equal lists: other defects are reported", async () => {
    const accounts = [ALICE, BOB].map((key) => ({ key, visible: ["openai/gpt-4-turbo"] }));
    const url = await gatewayWithStandIn({ storageKeyOf: (_request, key) => key }, "", accounts);
    const { code, out } = await runCheck([url]);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAILED .*a web page that nobody allowed/m);
  });

  test.each([
    { what: "a page", status: 200, message: /is no model list/ },
    { what: "a redirect", status: 301, message: /has no model list \(301\)/ },
    { what: "not found", status: 404, message: /has no model list \(404\)/ },
    { what: "misdirected request", status: 421, message: /one of its ALLOWED_HOSTS/ },
    { what: "nothing", status: undefined, message: /does not answer in time/ },
  ])("an address that answers with $what", async ({ status, message }) => {
    const url = await serverWithStatus(status);
    const { code, err } = await runCheck(["--timeout", "1", url]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  test("an instance that stores nothing: checks that need a stored list are unclear, not failed", async () => {
    const nothing = { MAX_AGE: "0s", STALE_WHILE_REVALIDATE: "0s", STALE_IF_ERROR: "0s" };
    const { url } = await keylaneWithStandIn(undefined, nothing);
    const { code, out } = await runCheck([url]);
    expect({ code, failed: out.match(/^FAILED/gm) }).toEqual({ code: 2, failed: null });
    expect(out).toMatch(/^unclear .*crossing on kept connections.*: 0 of 300 lists were stored/m);
    expect(out).toMatch(/^unclear .*a purge with KEY_A.*: not stored where it was requested/m);
    expect(out).toMatch(/^ok {7}each key gets its own list/m);
  });

  test("an instance that stops answering: the other checks are still made", async () => {
    const url = await gatewayWithStandIn({
      storageKeyOf: (request, key, state) =>
        request.rest === "" ? GOOD.storageKeyOf(request, key, state) : new Promise<string>(() => {}),
    });
    const { code, out } = await runCheck(["--timeout", "1", url]);
    expect({ code, failed: out.match(/^FAILED/gm) }).toEqual({ code: 2, failed: null });
    expect(out).toMatch(/^unclear .*a model that only one key has.*: no answer \(TimeoutError\)$/m);
  });
});

describe("the isolation check, for an address beyond loopback", () => {
  test("warns of http, and sends a key in a URL with --key-in-url only", async () => {
    const { nano, url } = await keylaneWithStandIn();
    const byDefault = await runCheck([mappedAddress(url)]);
    expect(byDefault.code).toBe(0);
    expect(byDefault.err).toMatch(/^Note: the keys cross the network readable/);
    expect(byDefault.out).toMatch(/^skipped {2}a key in the URL is no key: .*--key-in-url/m);
    expect(byDefault.out).toMatch(/^20 checks: 19 ok, 1 skipped$/m);
    const withOption = await runCheck([mappedAddress(url), "--key-in-url"]);
    expect(withOption.out).toMatch(/^ok {7}a key in the URL is no key$/m);
    expect(nano.seen.map(({ target }) => target).join()).not.toContain(ALICE);
  });

  test.each([
    { url: "https://keylane.example.org", parsed: "https://keylane.example.org/v1", isPlaintext: false },
    { url: "http://keylane.example.org/a/v1", parsed: "http://keylane.example.org/a/v1", isPlaintext: true },
    { url: "http://localhost:8787/", parsed: "http://localhost:8787/v1", isPlaintext: false },
    { url: "http://[::1]:8787/v1legacy", parsed: "http://[::1]:8787/v1legacy", isPlaintext: false },
  ])("$url is parsed as $parsed", ({ url, parsed, isPlaintext }) => {
    expect(parseArguments([url], KEYS)).toMatchObject({ url: parsed, isPlaintext });
  });
});

test("the default address is that of `npm start`, and --help names it and every option", async () => {
  expect(parseArguments([], KEYS).url).toBe("http://127.0.0.1:8787/v1");
  const { code, out } = await spawnCheck(["--help"], {});
  expect(code).toBe(0);
  for (const text of ["KEY_A", "KEY_B", "http://127.0.0.1:8787", "--timeout", "--key-in-url"]) {
    expect(out).toContain(text);
  }
});

// The loopback address in a form that is not recognized as loopback.
function mappedAddress(url: string): string {
  return url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
}

/** Starts a server that answers every request with a status, or never. */
async function serverWithStatus(status: number | undefined): Promise<string> {
  const server = createServer((_request, response) => {
    if (status !== undefined) response.writeHead(status).end("<!doctype html>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}
