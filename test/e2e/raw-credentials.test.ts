import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { BOBS, BOBS_LIST, get, odd, primed } from "../support/raw-request.ts";
import { ALICE, BOB } from "../support/setup.ts";

const MISSING = "401 missing_api_key, in step";
const INVALID = "401 invalid_api_key, in step";
const AMBIGUOUS = "400 ambiguous_credentials, in step";
const LIST = "200, in step";

/** `workerd`: where it makes something else of the bytes before the Worker sees them. */
type Row = readonly [given: string, fields: string, outcome: string, workerd?: string];

async function check(target: string, [, fields, outcome, workerd = outcome]: Row): Promise<void> {
  const wanted = runtime === "workerd" ? workerd : outcome;
  const found = await odd(get(target, fields));
  expect(found.outcome).toBe(wanted);
  expect(found.upstream).toEqual(wanted === LIST ? [BOBS_LIST] : []);
  for (const { status, head } of found.answers) {
    expect(/^www-authenticate: Bearer\r?$/im.test(head)).toBe(status === 401);
  }
}

describe("white space around a key", () => {
  test.for<Row>([
    ["a tab behind Bearer", `Authorization: Bearer\t${BOB}\n`, LIST],
    ["space and tab behind Bearer", `Authorization: Bearer \t ${BOB}\n`, LIST],
    ["spaces and tabs at the end", `Authorization:\t Bearer ${BOB} \t \n`, LIST],
    ["none behind the colon", `x-api-key:${BOB}\n`, LIST],
    ["a no-break space for Bearer's", `Authorization: Bearer\xa0${BOB}\n`, INVALID],
    ["a no-break space at the end", `Authorization: Bearer ${BOB}\xa0\n`, INVALID],
    ["one at the end of x-api-key", `x-api-key: ${BOB}\xa0\n`, INVALID],
    ["one before x-api-key", `x-api-key: \xa0${BOB}\n`, INVALID],
    ["one in UTF-8 for Bearer's", `Authorization: Bearer\xc2\xa0${BOB}\n`, INVALID],
    ["one in UTF-8 at the end", `x-api-key: ${BOB}\xc2\xa0\n`, INVALID],
    ["a byte order mark", `x-api-key: \xef\xbb\xbf${BOB}\n`, INVALID],
    ["a zero-width space", `x-api-key: ${BOB}\xe2\x80\x8b\n`, INVALID],
    ["C1's next line", `x-api-key: ${BOB}\x85\n`, INVALID],
    [
      "a vertical tab, which Node's parser refuses",
      `x-api-key: ${BOB}␋\n`,
      "400 bad_request, closed",
      INVALID,
    ],
    ["DEL, which Node's parser refuses", `x-api-key: ${BOB}\x7f\n`, "400 bad_request, closed", INVALID],
    ["a tick in UTF-8 for a key", "Authorization: Bearer \xe2\x9c\x93\n", INVALID],
  ])("%s", (row) => check("/v1/models", row));
});

describe("what tools send for no key", () => {
  test.for<Row>([
    ["nothing", "", MISSING],
    ...["", " ", "undefined", "null", "\tnull"].map((word): Row => [
      `Bearer${word}`,
      `Authorization: Bearer ${word}\n`,
      MISSING,
    ]),
    ...["<key>", "$KEY", "${KEY}", "[key]", "'key'"].map((word): Row => [
      word,
      `Authorization: Bearer ${word}\n`,
      INVALID,
    ]),
    ["null beside a good key", `${BOBS}x-api-key: null\n`, LIST],
    ["a word beside a good key", `${BOBS}x-api-key: your-api-key\n`, AMBIGUOUS],
    ["Bearer undefined beside x-api-key", `Authorization: Bearer undefined\nx-api-key: ${BOB}\n`, LIST],
    ["Basic beside x-api-key", `Authorization: Basic YTpi\nx-api-key: ${BOB}\n`, AMBIGUOUS],
    ["Bearer in x-api-key", `x-api-key: Bearer ${BOB}\n`, INVALID],
  ])("%s", (row) => check("/v1/models", row));
});

describe("a credential given more than once", () => {
  test.for<Row>([
    ["in two cases", `AUTHORIZATION: Bearer ${BOB}\nauthorization: Bearer ${ALICE}\n`, AMBIGUOUS],
    ["three times the same", BOBS.repeat(3), AMBIGUOUS],
    ["the second empty", `${BOBS}authorization:\n`, AMBIGUOUS],
    ["the first empty, which workerd drops", `authorization:\n${BOBS}`, AMBIGUOUS, LIST],
    ["joined by a comma", `Authorization: Bearer ${BOB}, Bearer ${BOB}\n`, AMBIGUOUS],
    ["joined, another scheme first", `Authorization: Basic YTpi, Bearer ${BOB}\n`, AMBIGUOUS],
    ["joined without a space", `x-api-key: ${BOB},${ALICE}\n`, AMBIGUOUS],
    ["x-api-key, the second empty", `x-api-key: ${BOB}\nX-Api-Key:\n`, AMBIGUOUS],
    ["x-api-key, far apart", `x-api-key: ${BOB}\n${"X-A: b\n".repeat(90)}X-API-KEY: ${ALICE}\n`, AMBIGUOUS],
  ])("%s", (row) => check("/v1/models", row));
});

const token = (length: number) => `e30.${"a".repeat(length - 9)}.c2ln`;

describe("the length and form of a credential", () => {
  test.for<readonly [what: string, credential: string]>([
    ["512 bytes", "k".repeat(512)],
    ["a token without signature", "e30.e30."],
    ["a token without header", ".e30.c2ln"],
    ["a token without claims", "e30..c2ln"],
    ["two dots", ".."],
    ["four parts", "e30.e30.c2ln.x"],
    ["five parts, as an encrypted one", "e30.a.b.c.d"],
    ["a token with padding", "e30=.e30=.c2ln="],
    ["undefined in capitals", "UNDEFINED"],
    ["a placeholder without odd characters", "your-api-key"],
    ["None", "None"],
  ])("may be a key, and upstream is asked: %s", async ([, credential]) => {
    const { outcome, upstream } = await odd(get("/v1/models", `Authorization: Bearer ${credential}\n`));
    expect(outcome).toBe(INVALID);
    expect(upstream).toEqual([`GET /api/personalized/v1/models ${credential}`]);
  });

  test.for<Row>([
    ["513 bytes", `Authorization: Bearer ${"k".repeat(513)}\n`, INVALID],
    ["513 bytes in x-api-key", `x-api-key: ${"k".repeat(513)}\n`, INVALID],
    ["4 kB", `Authorization: Bearer ${"k".repeat(4096)}\n`, INVALID],
    ["a token of 8,193 bytes", `Authorization: Bearer ${token(8193)}\n`, INVALID],
  ])("is none: %s", (row) => check("/v1/models", row));

  test.for([token(8192), "eyJhbGciOiJub25lIn0.e30.x"])(
    "a token, whatever it says: %#",
    async (credential) => {
      const all = await primed();
      all.nano.setAccount({ key: credential, visible: ["NousResearch/hermes-4-70b"] });
      const { outcome, upstream } = await odd(
        get("/v1/models", `Authorization: Bearer ${credential}\n`).repeat(2),
        all,
      );
      expect(outcome).toBe("200, 200, in step");
      // Its list is not kept: each call is a question of its own.
      const asked = `GET /api/personalized/v1/models ${credential}`;
      expect(upstream).toEqual([asked, asked]);
    },
  );
});

describe("a key that is not in its place", () => {
  const BAD = "400 bad_request, in step";
  test.for<readonly [given: string, target: string, outcome: string, workerd?: string]>([
    ["the query", `/v1/models?Authorization=Bearer%20${BOB}`, MISSING],
    ["the path", `/v1/models/${BOB}`, MISSING],
    ["the fragment", `/v1/models#${BOB}`, BAD, MISSING],
    ["the target, before its host", `http://${BOB}@a/v1/models`, BAD, MISSING],
  ])("is not read: in %s", ([given, target, ...outcomes]) => check(target, [given, "", ...outcomes]));

  test.for<Row>([
    ["a cookie", `Cookie: Authorization=Bearer%20${BOB}; x-api-key=${BOB}\n`, MISSING],
    ["Proxy-Authorization", `Proxy-Authorization: Bearer ${BOB}\n`, MISSING],
    ["X-Forwarded-Authorization", `X-Forwarded-Authorization: Bearer ${BOB}\n`, MISSING],
    ["a field with underscores", `x_api_key: ${BOB}\n`, MISSING],
    ["Api-Key", `Api-Key: ${BOB}\n`, MISSING],
  ])("is not read: in %s", (row) => check("/v1/models", row));

  test("is not read: in a trailer", async () => {
    const head = "GET /v1/models HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: Authorization\n";
    expect(await odd(`${head}\n0\n${BOBS}\n`)).toMatchObject({ outcome: MISSING, upstream: [] });
  });
});

describe("Connection cannot take away", () => {
  test.for([
    { what: "Authorization", fields: `${BOBS}Connection: authorization\n` },
    { what: "Authorization, among others", fields: `${BOBS}Connection: keep-alive, Authorization, host\n` },
    { what: "x-api-key", fields: `x-api-key: ${BOB}\nConnection: X-Api-Key\n` },
  ])("$what", async ({ fields }) => {
    const list = await odd(get("/v1/models", fields));
    expect(list).toMatchObject({ outcome: LIST, upstream: [BOBS_LIST] });
    const passed = await odd(get("/v1/echo", fields));
    expect(passed).toMatchObject({ outcome: LIST, upstream: [`GET /api/v1/echo ${BOB}`] });
  });

  test("Origin from a list route, where it tells whose list it is", async () => {
    const { outcome, scene } = await odd(
      get("/v1/models", `${BOBS}Origin: http://a.example\nConnection: origin\n`),
    );
    expect(outcome).toBe(LIST);
    expect(scene.nano.lists(BOB)[0]?.headers.origin).toBe("http://a.example");
  });
});
