import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { namesOf, plainCall, valuesOf, type PlainCall } from "../support/plain-call.ts";
import { rawUpstream } from "../support/raw-upstream.ts";
import { scene } from "../support/setup.ts";

const ECHO = "/v1/echo";
const onNode = runtime === "node";

async function plainScene() {
  const { nano, keylane } = await scene();
  return { nano, call: (options?: PlainCall) => plainCall(keylane.url + ECHO, options) };
}

/** What comes down when upstream says exactly these bytes. */
async function comesDown(said: string, options?: PlainCall) {
  const { url, heard } = await rawUpstream(said);
  const { keylane } = await scene({ PASSTHROUGH_URL: url });
  return { ...(await plainCall(keylane.url + ECHO, options)), heard };
}

describe("the answer to a passthrough call comes down", () => {
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
  ])("as it came: $status, $contentType", async (fault) => {
    const { nano, call } = await plainScene();
    nano.fail({ kind: "status", ...fault }, { path: ECHO });
    const { status, text, lines } = await call({ method: "POST", body: "{}" });
    expect({ status, body: text }).toEqual({ status: fault.status, body: fault.body });
    const fields = { "content-type": fault.contentType, "x-standin": "1", ...fault.headers };
    for (const [name, value] of Object.entries(fields)) expect(valuesOf(lines, name)).toEqual([value]);
    expect(valuesOf(lines, "content-length")).toEqual([String(Buffer.byteLength(fault.body))]);
    expect(nano.seen).toHaveLength(1);
  });

  test("with every field line as it came, on Node in its own line, case and order", async () => {
    const said = `HTTP/1.1 299 Odd But Fine
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
    const { status, reason, lines, text } = await comesDown(said);
    expect({ status, text }).toEqual({ status: 299, text: "ok" });
    const fields = said.split("\n").slice(1, -2);
    if (onNode) {
      expect(reason).toBe("Odd But Fine");
      const isOurs = /^(?:access-control-.*|connection|keep-alive)$/i;
      const pairs = Array.from({ length: lines.length / 2 }, (_, i) => lines.slice(2 * i, 2 * i + 2));
      const came = pairs.filter(([name = ""]) => !isOurs.test(name)).map((pair) => pair.join(": ").trim());
      expect(came).toEqual(fields);
    }
    expect(valuesOf(lines, "link").join(", ")).toBe('</a>; rel="x", </b>');
    expect(valuesOf(lines, "www-authenticate").join(", ")).toBe('Bearer, L402 x="y"');
    expect(valuesOf(lines, "x-odd_name")).toEqual(["caf\u00c3\u00a9"]);
    expect(valuesOf(lines, "cache-control")).toEqual(["public, max-age=9"]);
    expect(valuesOf(lines, "vary")).toEqual(["X-Team-Id"]);
  });

  test("without Set-Cookie and what belongs to the connection", async () => {
    const { lines, text } = await comesDown(
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
    const came = namesOf(lines).filter((name) => !own.has(name) && !name.startsWith("access-control-"));
    expect(came).toEqual(["date", "x-end"]);
    expect(lines.join()).not.toMatch(/x-hop|1234/i);
  });

  test("with a Date of ours where upstream gave none", async () => {
    const { call } = await plainScene();
    const dates = valuesOf((await call({ fields: "x-standin-no-date: 1" })).lines, "date");
    expect(dates).toEqual([expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)]);
    expect(Math.abs(Date.parse(dates[0] ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("with our CORS fields in the place of upstream's", async () => {
    const { nano, call } = await plainScene();
    const headers = { "access-control-allow-origin": "https://nano-gpt.com", "access-control-max-age": "1" };
    nano.fail({ kind: "status", status: 200, headers }, { path: ECHO });
    const { lines } = await call({ fields: "Origin: https://app.example" });
    expect(valuesOf(lines, "access-control-allow-origin")).toEqual(["*"]);
    expect(valuesOf(lines, "access-control-max-age")).toEqual([]);
    expect(valuesOf(lines, "access-control-expose-headers")).toHaveLength(1);
  });

  test("as the redirect that it is, never followed", async () => {
    const { nano, call } = await plainScene();
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
      expect(valuesOf(answer.lines, "location")).toEqual([location]);
    }
    expect(nano.seen).toHaveLength(redirects.length);
  });
});
