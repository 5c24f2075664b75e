// A request whose length or framing is ambiguous is rejected, and no byte of it is read as another request.
import { describe, expect, test } from "vitest";
import { BOB_HEADER, BOB_LIST_REQUEST, sendRawRequest, primedSetup } from "../support/raw-request.ts";

const REJECTED = "400 bad_request, closed";
const SMUGGLED = "GET /v1/echo/smuggled HTTP/1.1\nHost: a\n\n";
const post = (fields: string, body: string) => `POST /v1/echo HTTP/1.1\nHost: a\n${fields}\n\n${body}`;
const CHUNKED = "Transfer-Encoding: chunked";
const HELLO = "5\nhello\n0\n\n";

describe("an ambiguous body length is rejected, and the connection closed:", () => {
  test.for<readonly [fields: string, body: string]>([
    [`Content-Length: 5\n${CHUNKED}`, `0\n\n${SMUGGLED}`],
    [`${CHUNKED}\nContent-Length: 5`, `0\n\n${SMUGGLED}`],
    [`Content-Length: 0\n${CHUNKED}`, HELLO],
    [`${CHUNKED}\n${CHUNKED}`, HELLO],
    [`${CHUNKED}\nTransfer-Encoding: identity`, HELLO],
    ["Transfer-Encoding: chunked, chunked", HELLO],
    ["Transfer-Encoding: chunked,", HELLO],
    ["Transfer-Encoding : chunked", HELLO],
    ["Transfer-Encoding\t: chunked", HELLO],
    ["Transfer-Encoding: ␋chunked", HELLO],
    ["Transfer-Encoding: chunked␀", HELLO],
    ["Transfer-Encoding:", HELLO],
    ["Transfer-Encoding:\n chunked", HELLO],
    ["X-A: b\n Transfer-Encoding: chunked", HELLO],
    ["X-A: b\rTransfer-Encoding: chunked", HELLO],
    ["X-A: b␊Transfer-Encoding: chunked", HELLO],
    [" Transfer-Encoding: chunked", HELLO],
    ["Content-Length: 5\nContent-Length: 5", "hello"],
    ["Content-Length: 5\nContent-Length: 6", "hello"],
    ...["+5", "-5", "-0", "0x5", "5,5", "5, 5", "5 5", "5.0", "1e1", "", "five", "5␀", "\xb25"].map(
      (length) => [`Content-Length: ${length}`, "hello"] as const,
    ),
    // 2⁶⁴ + 5, which overflows to 5 in 64 bits.
    ["Content-Length: 18446744073709551621", "hello"],
    ["Content-Length: 9999999999999999999999999", "hello"],
    ["Content-Length : 5", "hello"],
    ["Content-Length\t: 5", "hello"],
  ])("%j", async ([fields, body]) => {
    expect(await sendRawRequest(post(fields, body))).toMatchObject({ outcome: REJECTED, upstream: [] });
  });

  test.for(["identity", "xchunked", "chunkedx", '"chunked"', "chunked;q=1", "gzip", "chunked\t"])(
    "Transfer-Encoding: %j, after which the end of the body is unknown",
    async (coding) => {
      const { outcome, upstream } = await sendRawRequest(post(`Transfer-Encoding: ${coding}`, HELLO));
      expect(outcome).toMatch(/^(?:400 bad_request|501 transfer_coding_not_supported), closed$/);
      expect(upstream).toEqual([]);
    },
  );

  test("a Content-Length over the limit gets 413", async () => {
    const { outcome, upstream } = await sendRawRequest(post("Content-Length: 99999999999999999", "hello"));
    expect({ outcome, upstream }).toEqual({ outcome: "413 body_too_large, closed", upstream: [] });
  });
});

describe("an unambiguous body length is accepted:", () => {
  test.for<readonly [fields: string, body: string]>([
    ["Content-Length:   5  ", "hello"],
    ["Content-Length: 05", "hello"],
    ["CONTENT-LENGTH:5", "hello"],
    ["Transfer-Encoding:\tchunked", HELLO],
    [`${CHUNKED}\nTransfer_Encoding: identity\nContent_Length: 99`, HELLO],
    [CHUNKED, "00000000000000000005\nhello\n0\n\n"],
    [CHUNKED, '5;a=b;c="d;e"\nhello\n000;f\n\n'],
    [CHUNKED, `1;${"a".repeat(9000)}\nh\n4;${"b".repeat(4000)}\nello\n0\n\n`],
  ])("%#", async ([fields, body]) => {
    const { outcome, upstream, answers } = await sendRawRequest(post(fields, body));
    expect({ outcome, upstream }).toEqual({
      outcome: "200, in sync",
      upstream: ["POST /api/v1/echo anonymous"],
    });
    expect(answers[0]?.body).toBe("hello");
  });
});

describe("invalid chunks are rejected, and upstream gets no complete request:", () => {
  test.for(
    [
      ...["1_0", "0x5", "-5", "+5", " 5", "5 ", "", "g", "5h", "10000000000000005", "5␀"].map(
        (size) => `${size}\nhello\n0\n\n`,
      ),
      '5;a="\n"\nhello\n0\n\n',
      "5;a\rb\nhello\n0\n\n",
      "5;a␊hello\n0\n\n",
      `5;${"a".repeat(20_000)}\nhello\n0\n\n`,
      "5␊hello\n0\n\n",
      "5\nhello␊0\n\n",
      "5\nhello\r0\n\n",
      "5\nhelloo\n0\n\n",
      "5\nhel\n0\n\n",
      "5\nhello\n0␊␊",
      "5\nhello\n0\n",
      "5\nhello\n0\nBad Name: x\n\n",
      "5\nhello\n0\nContent-Length: 9\n\n",
      `5\nhello\n0\n${CHUNKED}\n\n`,
    ].map((body) => [body] as const),
  )("%j", async ([body]) => {
    const { outcome, setup } = await sendRawRequest(post(CHUNKED, body));
    expect(outcome).toBe(REJECTED);
    // A chunk before the invalid one may have been forwarded.
    for (const { target, complete } of setup.nano.seen) {
      expect({ target, complete }).toEqual({ target: "/api/v1/echo", complete: false });
    }
    expect(setup.nano.seen.length).toBeLessThanOrEqual(1);
  });

  test("an endless chunk is limited by MAX_BODY_SIZE, and no byte of it is read as a request", async () => {
    const { outcome, setup } = await sendRawRequest(
      post(CHUNKED, "FFFFFFFFFFFFFFFF\nhello"),
      await primedSetup({ MAX_BODY_SIZE: "8" }),
    );
    expect(outcome).toMatch(/closed$/);
    expect(setup.nano.seen.filter(({ complete }) => complete)).toEqual([]);
  });
});

describe("trailers", () => {
  test("identify no client, and are not forwarded", async () => {
    const trailers = `${BOB_HEADER}x-api-key: other\nHost: b\nX-Trailer: t\n`;
    const { outcome, upstream, setup } = await sendRawRequest(
      post(`${CHUNKED}\nTrailer: Authorization, Host`, `5\nhello\n0\n${trailers}\n`),
    );
    expect({ outcome, upstream }).toEqual({
      outcome: "200, in sync",
      upstream: ["POST /api/v1/echo anonymous"],
    });
    expect(setup.nano.seen[0]?.headers).not.toHaveProperty("x-trailer");
    expect(setup.nano.seen[0]?.body.toString()).toBe("hello");
  });

  test("over the limit are rejected", async () => {
    const { outcome } = await sendRawRequest(post(CHUNKED, `5\nhello\n0\nA: ${"a".repeat(20_000)}\n\n`));
    expect(outcome).toBe("431 headers_too_large, closed");
  });
});

const list = (line: string, fields = "Host: a\n") => `${line}\n${fields}${BOB_HEADER}\n`;

describe("a malformed request line or header is rejected, and the connection closed:", () => {
  test.for(
    [
      "GET /v1/models HTTP/1.1␊Host: a␊Authorization: Bearer sk-nano-test-bob␊␊",
      "GET /v1/models HTTP/1.1\nHost: a\nAuthorization: Bearer sk-nano-test-bob\n␊",
      list("GET /v1/models HTTP/1.1␊Host: b", ""),
      list("GET /v1/models HTTP/1.1\rHost: b", ""),
      ...["Host: a␊", "Host: a\r", "Host: a\r\r\n", " Host: a\n", "\tHost: a\n", "Host: a\n X: b\n"].map((fields) =>
        list("GET /v1/models HTTP/1.1", fields),
      ),
      ...["X Y: b", "X : b", "X␀: b", "X: a␀b", "X\xe9: b", ": b", "abc", "X(: b", "X\x7f: b", "X: \x1b[0m"].map(
        (field) => list("GET /v1/models HTTP/1.1", `Host: a\n${field}\n`),
      ),
      "GET /v1/models HTTP/1.1\nHost: a\nAuthorization : Bearer sk-nano-test-bob\n\n",
      ...[
        "GET\t/v1/models HTTP/1.1",
        "GET /v1/models\tHTTP/1.1",
        "GET /v1/models HTTP/1.1 ",
        " GET /v1/models HTTP/1.1",
      ].map((line) => list(line)),
      ...["GET /v1/mod els HTTP/1.1", "GET/v1/models HTTP/1.1", "GET /v1/models", "GET HTTP/1.1", "/v1/models"].map(
        (line) => list(line),
      ),
      ...["0.9", "1.2", "2.0", "3.0", "11", "1.10", "1", "1.", "-1.1", "1.1x"].map((version) =>
        list(`GET /v1/models HTTP/${version}`),
      ),
      ...["http/1.1", "Http/1.1", "HTTPS/1.1", "ICE/1.0", "HTTP 1.1"].map((name) => list(`GET /v1/models ${name}`)),
      ...["get", "Get", "FROB", "GE T", "G␀T", "BREW", "GETX"].map((method) => list(`${method} /v1/models HTTP/1.1`)),
      "PRI * HTTP/2.0\n\nSM\n\n␀␀␀␄",
      "␖␃␁␂␀␁␀",
    ].map((request) => [request] as const),
  )("%j", async ([request]) => {
    expect(await sendRawRequest(request)).toMatchObject({ outcome: REJECTED, upstream: [] });
  });

  test.for(["  ", "   "])("except that several spaces in the request line count as one", async (gap) => {
    const request = list(`GET${gap}/v1/models${gap}HTTP/1.1`);
    expect(await sendRawRequest(`\n\n${request}`)).toMatchObject({
      outcome: "200, in sync",
      upstream: [BOB_LIST_REQUEST],
    });
  });
});
