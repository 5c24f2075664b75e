// A passthrough response reaches the client as upstream sent it, except for connection fields, cookies and CORS.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { headerNames, plainCall, headerValues, type PlainCall } from "../support/plain-call.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { setup } from "../support/setup.ts";

const ECHO = "/v1/echo";
const onNode = runtime === "node";

async function plainSetup() {
  const { nano, keylane } = await setup();
  return { nano, call: (options?: PlainCall) => plainCall(keylane.url + ECHO, options) };
}

/** The client's response where upstream sends exactly these bytes. */
async function relay(bytes: string, options?: PlainCall) {
  const { url, received } = await startRawUpstream(bytes);
  const { keylane } = await setup({ PASSTHROUGH_URL: url });
  return { ...(await plainCall(keylane.url + ECHO, options)), received };
}

describe("a passthrough response is relayed", () => {
  const page = "<!DOCTYPE html><h1>Upstream’s own page</h1>\n";
  test.for([
    { status: 201, body: "{}", contentType: "application/json" },
    { status: 400, body: '{"error":{"message":"no"}}', contentType: "application/problem+json" },
    { status: 401, body: '{"error":{"code":"invalid_api_key"}}', contentType: "application/json" },
    { status: 404, body: page, contentType: "text/html; charset=utf-8" },
    { status: 418, body: "", contentType: "text/plain" },
    { status: 429, body: "{}", contentType: "application/json", headers: { "retry-after": "77" } },
    { status: 500, body: "not json", contentType: "application/json" },
    { status: 503, body: page, contentType: "text/html", headers: { "x-upstream": "a" } },
  ])("unchanged: $status, $contentType", async (response) => {
    const { nano, call } = await plainSetup();
    nano.fail({ kind: "status", ...response }, { path: ECHO });
    const { status, text, rawHeaders } = await call({ method: "POST", body: "{}" });
    expect({ status, body: text }).toEqual({ status: response.status, body: response.body });
    const fields = { "content-type": response.contentType, "x-standin": "1", ...response.headers };
    for (const [name, value] of Object.entries(fields)) expect(headerValues(rawHeaders, name)).toEqual([value]);
    expect(headerValues(rawHeaders, "content-length")).toEqual([String(Buffer.byteLength(response.body))]);
    expect(nano.seen).toHaveLength(1);
  });

  test("with every header field; on Node with its case, order and repetition", async () => {
    const bytes = `HTTP/1.1 299 Odd But Fine
      Date: Tue, 01 Jan 2030 00:00:00 GMT
      Link: </a>; rel="x"
      X-ODD_name: caf\u00c3\u00a9
      link: </b>
      WWW-Authenticate: Bearer
      WWW-Authenticate: L402 x="y"
      ETag: "up"
      Vary: X-Team-Id
      Cache-Control: public, max-age=9
      X-Empty:
      Content-Type: application/x-thing
      Content-Length: 2

      ok`.replaceAll(/^ +/gm, "");
    const { status, reason, rawHeaders, text } = await relay(bytes);
    expect({ status, text }).toEqual({ status: 299, text: "ok" });
    const lines = bytes.split("\n").slice(1, -2);
    if (onNode) {
      expect(reason).toBe("Odd But Fine");
      const isOwn = /^(?:access-control-.*|connection|keep-alive)$/i;
      const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, i) => rawHeaders.slice(2 * i, 2 * i + 2));
      const relayed = pairs.filter(([name = ""]) => !isOwn.test(name)).map((pair) => pair.join(": ").trim());
      expect(relayed).toEqual(lines);
    }
    expect(headerValues(rawHeaders, "link").join(", ")).toBe('</a>; rel="x", </b>');
    expect(headerValues(rawHeaders, "www-authenticate").join(", ")).toBe('Bearer, L402 x="y"');
    expect(headerValues(rawHeaders, "x-odd_name")).toEqual(["caf\u00c3\u00a9"]);
    expect(headerValues(rawHeaders, "cache-control")).toEqual(["public, max-age=9"]);
    expect(headerValues(rawHeaders, "vary")).toEqual(["X-Team-Id"]);
  });

  test("without Set-Cookie, hop-by-hop fields and trailers", async () => {
    const { rawHeaders, text } = await relay(
      `HTTP/1.1 200 OK
      Connection: close, X-Hop
      X-Hop: 1
      Keep-Alive: timeout=1234
      Proxy-Authenticate: Basic
      Proxy-Thing: 1
      Trailer: X-Sum
      Upgrade: h2c
      TE: trailers
      Set-Cookie: a=1
      Set-Cookie: b=2
      X-End: kept
      Transfer-Encoding: chunked

      2
      ok
      0
      X-Sum: 1

      `.replaceAll(/^ +/gm, ""),
      { fields: "Connection: keep-alive" },
    );
    expect(text).toBe("ok");
    const own = new Set(["connection", "keep-alive", "transfer-encoding"]);
    const relayed = headerNames(rawHeaders).filter((name) => !own.has(name) && !name.startsWith("access-control-"));
    expect(relayed).toEqual(["date", "x-end"]);
    expect(rawHeaders.join()).not.toMatch(/x-hop|1234/i);
  });

  test("with a generated Date where upstream sent none", async () => {
    const { call } = await plainSetup();
    const dates = headerValues((await call({ fields: "x-standin-no-date: 1" })).rawHeaders, "date");
    expect(dates).toEqual([expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)]);
    expect(Math.abs(Date.parse(dates[0] ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("with Keylane's CORS fields instead of upstream's", async () => {
    const { nano, call } = await plainSetup();
    const headers = { "access-control-allow-origin": "https://nano-gpt.com", "access-control-max-age": "1" };
    nano.fail({ kind: "status", status: 200, headers }, { path: ECHO });
    const { rawHeaders } = await call({ fields: "Origin: https://app.example" });
    expect(headerValues(rawHeaders, "access-control-allow-origin")).toEqual(["*"]);
    expect(headerValues(rawHeaders, "access-control-max-age")).toEqual([]);
    expect(headerValues(rawHeaders, "access-control-expose-headers")).toHaveLength(1);
  });

  test("as a redirect, which Keylane never follows", async () => {
    const { nano, call } = await plainSetup();
    const redirects = [
      { status: 301, location: "/api/v1/echo/next" },
      { status: 302, location: `${nano.origin}/x` },
      { status: 307, location: "../y" },
      { status: 308, location: "https://elsewhere.invalid/" },
    ];
    for (const { status, location } of redirects) {
      nano.fail({ kind: "redirect", status, location }, { path: ECHO, times: 1 });
      const answer = await call({ method: "POST", body: "{}" });
      expect(answer.status).toBe(status);
      expect(headerValues(answer.rawHeaders, "location")).toEqual([location]);
    }
    expect(nano.seen).toHaveLength(redirects.length);
  });
});
