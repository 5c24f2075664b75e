import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseArguments } from "../../tools/isolation/arguments.ts";
import { runCheck, command, gatewayBefore, keylaneBefore, KEYS } from "../support/isolation/command.ts";
import { GOOD } from "../support/isolation/gateway.ts";
import { ALICE, BOB } from "../support/setup.ts";

describe("what cannot be checked", () => {
  test.each<{ what: string; args?: string[]; keys?: Record<string, string>; says: RegExp }>([
    {
      what: "an empty address",
      args: [""],
      says: /^Cannot check: the address must be an http or https URL/,
    },
    { what: "no URL", args: ["localhost"], says: /the address must be/ },
    { what: "another scheme", args: ["ftp://localhost"], says: /the address must be/ },
    { what: "a URL with a query", args: ["http://localhost?x=1"], says: /without user, query or fragment/ },
    { what: "two URLs", args: ["http://a", "http://b"], says: /give one URL/ },
    { what: "an unknown option", args: ["--fast"], says: /an option is not known/ },
    { what: "a timeout of no time", args: ["--timeout", "0"], says: /a number of seconds/ },
    {
      what: "arguments after the URL",
      args: ["http://a", "one", "two"],
      says: /a key stands on the command line/,
    },
    { what: "a key as an argument", args: ["http://a", ALICE], says: /a key stands on the command line/ },
    { what: "a key in a URL", args: [`http://${BOB}@a`], says: /a key stands on the command line/ },
    {
      what: "a key as an option",
      args: ["--key-a", "0b9c1d2e3f"],
      says: /a key stands on the command line/,
    },
    { what: "a key as a setting", args: ["KEY_A=0b9c1d2e3f"], says: /a key stands on the command line/ },
    { what: "no KEY_A", keys: { KEY_B: BOB }, says: /KEY_A is missing/ },
    { what: "an empty KEY_B", keys: { KEY_A: ALICE, KEY_B: " " }, says: /KEY_B is missing/ },
    { what: "a key with a space", keys: { KEY_A: `${ALICE} x`, KEY_B: BOB }, says: /KEY_A is not a key/ },
    { what: "a signed token", keys: { ...KEYS, KEY_A: "abc.def.ghi" }, says: /KEY_A is a signed token/ },
    { what: "the same key twice", keys: { KEY_A: ALICE, KEY_B: ALICE }, says: /the same key/ },
    { what: "nobody there", args: ["http://127.0.0.1:1"], says: /nobody answers at the address\. Start/ },
  ])("$what", async ({ args = ["http://127.0.0.1:1"], keys = KEYS, says }) => {
    const { code, out, err } = await runCheck(args, keys);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(says);
    expect(err).toMatch(/^Cannot check: [^\n]*\.\n$/);
  });

  test.each([
    { status: 401, says: /KEY_B is refused \(401\)/ },
    { status: 403, says: /KEY_B is refused \(403\)/ },
    { status: 429, says: /KEY_B has used up its requests/ },
    { status: 500, says: /gets no list from NanoGPT \(502\)/ },
  ])("a key that NanoGPT answers with $status", async ({ status, says }) => {
    const { nano, url } = await keylaneBefore();
    nano.fail({ kind: "status", status }, { key: BOB });
    const { code, err } = await runCheck([url]);
    expect(code).toBe(2);
    expect(err).toMatch(says);
  });

  test("an upstream that is down, said by the command", async () => {
    const { nano, url } = await keylaneBefore();
    await nano.pause();
    const { code, err } = await command([url]);
    expect(code).toBe(2);
    expect(err).toMatch(/gets no list from NanoGPT \(502\)/);
  });

  test("two lists that are equal: all else is checked, and the result said to be inconclusive", async () => {
    const { url } = await keylaneBefore([{ key: ALICE }, { key: BOB }]);
    const { code, out, err } = await runCheck([url]);
    expect(code).toBe(2);
    expect(err).toMatch(/^Inconclusive: both keys get the same models.* Hide a model in one of the two accounts/);
    expect(out.match(/^unclear .*cannot be seen while both lists are equal$/gm)).toHaveLength(8);
    expect(out.match(/^ok {7}/gm)).toHaveLength(12);
    expect(out).not.toContain("FAILED");
  });

  test("two lists that are equal do not hide what is broken all the same", async () => {
    const accounts = [ALICE, BOB].map((key) => ({ key, visible: ["openai/gpt-4-turbo"] }));
    const url = await gatewayBefore({ slotOf: (_request, key) => key }, "", accounts);
    const { code, out } = await runCheck([url]);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAILED .*a web page that nobody allowed/m);
  });

  test.each([
    { what: "a page", status: 200, says: /is no model list/ },
    { what: "a redirect", status: 301, says: /has no model list \(301\)/ },
    { what: "nothing known", status: 404, says: /has no model list \(404\)/ },
    { what: "another host's refusal", status: 421, says: /one of its ALLOWED_HOSTS/ },
    { what: "silence", status: undefined, says: /does not answer in time/ },
  ])("an address where there is $what", async ({ status, says }) => {
    const url = await serving(status);
    const { code, err } = await runCheck(["--timeout", "1", url]);
    expect(code).toBe(2);
    expect(err).toMatch(says);
  });

  test("an instance that stores nothing: what needs a stored list is unclear, not failed", async () => {
    const nothing = { MAX_AGE: "0s", STALE_WHILE_REVALIDATE: "0s", STALE_IF_ERROR: "0s" };
    const { url } = await keylaneBefore(undefined, nothing);
    const { code, out } = await runCheck([url]);
    expect({ code, failed: out.match(/^FAILED/gm) }).toEqual({ code: 2, failed: null });
    expect(out).toMatch(/^unclear .*crossing on kept connections.*: 0 of 300 lists were stored/m);
    expect(out).toMatch(/^unclear .*a purge with KEY_A.*: not stored where it was requested/m);
    expect(out).toMatch(/^ok {7}each key gets its own list/m);
  });

  test("an instance that falls silent on the way: the checks end all the same", async () => {
    const url = await gatewayBefore({
      slotOf: (request, key, desk) =>
        request.rest === "" ? GOOD.slotOf(request, key, desk) : new Promise<string>(() => {}),
    });
    const { code, out } = await runCheck(["--timeout", "1", url]);
    expect({ code, failed: out.match(/^FAILED/gm) }).toEqual({ code: 2, failed: null });
    expect(out).toMatch(/^unclear .*a model that only one key has.*: no answer \(TimeoutError\)$/m);
  });
});

describe("beyond this machine", () => {
  test("http is warned of, and no key is put into a URL unless that is asked for", async () => {
    const { nano, url } = await keylaneBefore();
    const careful = await runCheck([afar(url)]);
    expect(careful.code).toBe(0);
    expect(careful.err).toMatch(/^Note: the keys cross the network readable/);
    expect(careful.out).toMatch(/^skipped {2}a key in the URL is no key: .*--key-in-url/m);
    expect(careful.out).toMatch(/^20 checks: 19 ok, 1 skipped$/m);
    const asked = await runCheck([afar(url), "--key-in-url"]);
    expect(asked.out).toMatch(/^ok {7}a key in the URL is no key$/m);
    expect(nano.seen.map(({ target }) => target).join()).not.toContain(ALICE);
  });

  test.each([
    { url: "https://keylane.example.org", name: "https://keylane.example.org/v1", readable: false },
    { url: "http://keylane.example.org/a/v1", name: "http://keylane.example.org/a/v1", readable: true },
    { url: "http://localhost:8787/", name: "http://localhost:8787/v1", readable: false },
    { url: "http://[::1]:8787/v1legacy", name: "http://[::1]:8787/v1legacy", readable: false },
  ])("$url is read as $name", ({ url, name, readable }) => {
    expect(parseArguments([url], KEYS)).toMatchObject({ name, isReadableOnTheWay: readable });
  });
});

test("without an address it is the one that `npm start` listens at; --help says all this", async () => {
  expect(parseArguments([], KEYS).name).toBe("http://127.0.0.1:8787/v1");
  const { code, out } = await command(["--help"], {});
  expect(code).toBe(0);
  for (const text of ["KEY_A", "KEY_B", "http://127.0.0.1:8787", "--timeout", "--key-in-url"]) {
    expect(out).toContain(text);
  }
});

// The loopback address by a name that does not say so.
function afar(url: string): string {
  return url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
}

/** Starts a server that answers each request with a status, or not at all. */
async function serving(status: number | undefined): Promise<string> {
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
