// Only well-formed credentials in Authorization and X-API-Key identify a client, whatever bytes surround them.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { BOB_HEADER, BOB_LIST_REQUEST, get, sendRawRequest, primedSetup } from "../support/raw-request.ts";
import { ALICE, BOB } from "../support/setup.ts";

const MISSING = "401 missing_api_key, in sync";
const INVALID = "401 invalid_api_key, in sync";
const AMBIGUOUS = "400 ambiguous_credentials, in sync";
const LIST = "200, in sync";

/** `workerd`: the outcome where workerd changes the bytes before the Worker sees them. */
type Row = readonly [name: string, fields: string, outcome: string, workerd?: string];

async function check(target: string, [, fields, outcome, workerd = outcome]: Row): Promise<void> {
  const expected = runtime === "workerd" ? workerd : outcome;
  const actual = await sendRawRequest(get(target, fields));
  expect(actual.outcome).toBe(expected);
  expect(actual.upstream).toEqual(expected === LIST ? [BOB_LIST_REQUEST] : []);
  for (const { status, head } of actual.answers) {
    expect(/^www-authenticate: Bearer\r?$/im.test(head)).toBe(status === 401);
  }
}

describe("white space around a key", () => {
  test.for<Row>([
    ["a tab after Bearer", `Authorization: Bearer\t${BOB}\n`, LIST],
    ["space and tab after Bearer", `Authorization: Bearer \t ${BOB}\n`, LIST],
    ["spaces and tabs at the end", `Authorization:\t Bearer ${BOB} \t \n`, LIST],
    ["none after the colon", `x-api-key:${BOB}\n`, LIST],
    ["a no-break space after Bearer", `Authorization: Bearer\xa0${BOB}\n`, INVALID],
    ["a no-break space at the end", `Authorization: Bearer ${BOB}\xa0\n`, INVALID],
    ["a no-break space at the end of x-api-key", `x-api-key: ${BOB}\xa0\n`, INVALID],
    ["a no-break space before x-api-key", `x-api-key: \xa0${BOB}\n`, INVALID],
    ["a UTF-8 no-break space after Bearer", `Authorization: Bearer\xc2\xa0${BOB}\n`, INVALID],
    ["a UTF-8 no-break space at the end", `x-api-key: ${BOB}\xc2\xa0\n`, INVALID],
    ["a byte order mark", `x-api-key: \xef\xbb\xbf${BOB}\n`, INVALID],
    ["a zero-width space", `x-api-key: ${BOB}\xe2\x80\x8b\n`, INVALID],
    ["the C1 control NEL", `x-api-key: ${BOB}\x85\n`, INVALID],
    ["a vertical tab, which Node's parser rejects", `x-api-key: ${BOB}␋\n`, "400 bad_request, closed", INVALID],
    ["DEL, which Node's parser rejects", `x-api-key: ${BOB}\x7f\n`, "400 bad_request, closed", INVALID],
    ["a check mark in UTF-8 as the key", "Authorization: Bearer \xe2\x9c\x93\n", INVALID],
  ])("%s", (row) => check("/v1/models", row));
});

describe("a value that tools send without a key", () => {
  test.for<Row>([
    ["nothing", "", MISSING],
    ...["", " ", "undefined", "null", "\tnull"].map((text): Row => [
      `Bearer${text}`,
      `Authorization: Bearer ${text}\n`,
      MISSING,
    ]),
    ...["<key>", "$KEY", "${KEY}", "[key]", "'key'"].map((text): Row => [
      text,
      `Authorization: Bearer ${text}\n`,
      INVALID,
    ]),
    ["null next to a valid key", `${BOB_HEADER}x-api-key: null\n`, LIST],
    ["a placeholder next to a valid key", `${BOB_HEADER}x-api-key: your-api-key\n`, AMBIGUOUS],
    ["Bearer undefined next to x-api-key", `Authorization: Bearer undefined\nx-api-key: ${BOB}\n`, LIST],
    ["Basic next to x-api-key", `Authorization: Basic YTpi\nx-api-key: ${BOB}\n`, AMBIGUOUS],
    ["Bearer in x-api-key", `x-api-key: Bearer ${BOB}\n`, INVALID],
  ])("%s", (row) => check("/v1/models", row));
});

describe("a credential sent more than once", () => {
  test.for<Row>([
    ["in upper and lower case", `AUTHORIZATION: Bearer ${BOB}\nauthorization: Bearer ${ALICE}\n`, AMBIGUOUS],
    ["three times the same", BOB_HEADER.repeat(3), AMBIGUOUS],
    ["the second empty", `${BOB_HEADER}authorization:\n`, AMBIGUOUS],
    ["the first empty, which workerd drops", `authorization:\n${BOB_HEADER}`, AMBIGUOUS, LIST],
    ["joined by a comma", `Authorization: Bearer ${BOB}, Bearer ${BOB}\n`, AMBIGUOUS],
    ["joined, another scheme first", `Authorization: Basic YTpi, Bearer ${BOB}\n`, AMBIGUOUS],
    ["joined without a space", `x-api-key: ${BOB},${ALICE}\n`, AMBIGUOUS],
    ["x-api-key, the second empty", `x-api-key: ${BOB}\nX-Api-Key:\n`, AMBIGUOUS],
    ["x-api-key, far apart", `x-api-key: ${BOB}\n${"X-A: b\n".repeat(90)}X-API-KEY: ${ALICE}\n`, AMBIGUOUS],
  ])("%s", (row) => check("/v1/models", row));
});

const token = (length: number) => `e30.${"a".repeat(length - 9)}.c2ln`;

describe("the length and form of a credential", () => {
  test.for<readonly [name: string, credential: string]>([
    ["512 bytes", "k".repeat(512)],
    ["a token without signature", "e30.e30."],
    ["a token without header", ".e30.c2ln"],
    ["a token without claims", "e30..c2ln"],
    ["two dots", ".."],
    ["four parts", "e30.e30.c2ln.x"],
    ["five parts, like an encrypted token", "e30.a.b.c.d"],
    ["a token with padding", "e30=.e30=.c2ln="],
    ["undefined in capitals", "UNDEFINED"],
    ["a placeholder without odd characters", "your-api-key"],
    ["None", "None"],
  ])("is forwarded to upstream: %s", async ([, credential]) => {
    const { outcome, upstream } = await sendRawRequest(get("/v1/models", `Authorization: Bearer ${credential}\n`));
    expect(outcome).toBe(INVALID);
    expect(upstream).toEqual([`GET /api/personalized/v1/models ${credential}`]);
  });

  test.for<Row>([
    ["513 bytes", `Authorization: Bearer ${"k".repeat(513)}\n`, INVALID],
    ["513 bytes in x-api-key", `x-api-key: ${"k".repeat(513)}\n`, INVALID],
    ["4 kB", `Authorization: Bearer ${"k".repeat(4096)}\n`, INVALID],
    ["a token of 8,193 bytes", `Authorization: Bearer ${token(8193)}\n`, INVALID],
  ])("is rejected: %s", (row) => check("/v1/models", row));

  test.for([token(8192), "eyJhbGciOiJub25lIn0.e30.x"])("is a token whatever its claims: %#", async (credential) => {
    const all = await primedSetup();
    all.nano.setAccount({ key: credential, visible: ["NousResearch/hermes-4-70b"] });
    const { outcome, upstream } = await sendRawRequest(
      get("/v1/models", `Authorization: Bearer ${credential}\n`).repeat(2),
      all,
    );
    expect(outcome).toBe("200, 200, in sync");
    // Its list is not stored: each request is forwarded.
    const forwarded = `GET /api/personalized/v1/models ${credential}`;
    expect(upstream).toEqual([forwarded, forwarded]);
  });
});

describe("a key in the wrong place", () => {
  const BAD = "400 bad_request, in sync";
  test.for<readonly [place: string, target: string, outcome: string, workerd?: string]>([
    ["the query", `/v1/models?Authorization=Bearer%20${BOB}`, MISSING],
    ["the path", `/v1/models/${BOB}`, MISSING],
    ["the fragment", `/v1/models#${BOB}`, BAD, MISSING],
    ["the userinfo of an absolute target", `http://${BOB}@a/v1/models`, BAD, MISSING],
  ])("is ignored: %s", ([place, target, ...outcomes]) => check(target, [place, "", ...outcomes]));

  test.for<Row>([
    ["a cookie", `Cookie: Authorization=Bearer%20${BOB}; x-api-key=${BOB}\n`, MISSING],
    ["Proxy-Authorization", `Proxy-Authorization: Bearer ${BOB}\n`, MISSING],
    ["X-Forwarded-Authorization", `X-Forwarded-Authorization: Bearer ${BOB}\n`, MISSING],
    ["a field with underscores", `x_api_key: ${BOB}\n`, MISSING],
    ["Api-Key", `Api-Key: ${BOB}\n`, MISSING],
  ])("is ignored: %s", (row) => check("/v1/models", row));

  test("is ignored: a trailer", async () => {
    const head = "GET /v1/models HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: Authorization\n";
    expect(await sendRawRequest(`${head}\n0\n${BOB_HEADER}\n`)).toMatchObject({ outcome: MISSING, upstream: [] });
  });
});

describe("the Connection field cannot remove", () => {
  test.for([
    { name: "Authorization", fields: `${BOB_HEADER}Connection: authorization\n` },
    { name: "Authorization, among others", fields: `${BOB_HEADER}Connection: keep-alive, Authorization, host\n` },
    { name: "x-api-key", fields: `x-api-key: ${BOB}\nConnection: X-Api-Key\n` },
  ])("$name", async ({ fields }) => {
    const list = await sendRawRequest(get("/v1/models", fields));
    expect(list).toMatchObject({ outcome: LIST, upstream: [BOB_LIST_REQUEST] });
    const passed = await sendRawRequest(get("/v1/echo", fields));
    expect(passed).toMatchObject({ outcome: LIST, upstream: [`GET /api/v1/echo ${BOB}`] });
  });

  test("Origin from a list request, where it is part of the cache key", async () => {
    const { outcome, setup } = await sendRawRequest(
      get("/v1/models", `${BOB_HEADER}Origin: http://a.example\nConnection: origin\n`),
    );
    expect(outcome).toBe(LIST);
    expect(setup.nano.lists(BOB)[0]?.headers.origin).toBe("http://a.example");
  });
});
