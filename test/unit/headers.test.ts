// Headers pass through in both directions unchanged, except hop-by-hop and replaced ones; Cache-Status is serialized.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinedHeader, toClientHeaders, endToEnd, firstHeader, toUpstreamHeaders } from "../../src/http/headers.ts";
import { cacheStatus, type CacheOutcome } from "../../src/http/cache-headers.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const namesOf = (lines: readonly string[]) => lines.filter((_, i) => i % 2 === 0);
const lower = (lines: readonly string[]) => namesOf(lines).map((name) => name.toLowerCase());
const credentials = (lines: readonly string[]) =>
  lower(lines).filter((name) => name === "authorization" || name === "x-api-key");
const HOP_BY_HOP =
  "Connection Keep-Alive TE Trailer Transfer-Encoding Upgrade Proxy-Authorization Proxy-Authenticate Proxy-Connection proxy-x";
const ORDINARY = "Accept Content-Type X-Title User-Agent anthropic-version Authorization x-api-key X-Request-Id";

const name = fc.constantFrom(...`${HOP_BY_HOP} ${ORDINARY} Set-Cookie Cookie Host Expect Date`.split(" "));
const spelling = name.chain((name) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase()));
const lines = fc.array(fc.tuple(spelling, fc.stringMatching(/^[\x21-\x7e]{0,12}$/)), { maxLength: 12 });

describe("headers passed on", () => {
  test.for(HOP_BY_HOP.split(" "))("lose %s in both directions: it is hop-by-hop", (name) => {
    for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
      const sent = ["A", "1", spelling, "x", "B", "2", "Date", "d"];
      expect(toUpstreamHeaders(sent)).toEqual(["A", "1", "B", "2", "Date", "d", "Via", "1.1 keylane"]);
      expect(toClientHeaders(sent, {}, NOW)).toEqual(["A", "1", "B", "2", "Date", "d"]);
    }
  });

  test.for(["Host", "expect", "Cookie", "COOKIE", "Set-Cookie"])("to upstream lose %s", (name) => {
    expect(toUpstreamHeaders([name, "x"])).toEqual(["Via", "1.1 keylane"]);
  });

  test.for(["Set-Cookie", "Access-Control-Allow-Origin", "access-control-allow-headers", "ACCESS-CONTROL-MAX-AGE"])(
    "to the client lose %s",
    (name) => {
      const cors = { "Access-Control-Allow-Origin": "*" };
      const lines = toClientHeaders([name, "x", "Date", "d"], cors, NOW);
      expect(lines).toEqual(["Date", "d", "Access-Control-Allow-Origin", "*"]);
    },
  );

  test("to the client get a Date when there is none", () => {
    expect(toClientHeaders(["A", "1"], {}, NOW)).toEqual(["A", "1", "Date", "Fri, 02 Jan 2026 03:04:05 GMT"]);
    expect(toClientHeaders(["dAtE", "theirs"], {}, NOW)).toEqual(["dAtE", "theirs"]);
  });

  test.for(["x-a", " X-A ,keep-alive", "close, ,x-a,", "X-a,X-A"])("lose what Connection: %s names", (value) => {
    expect(endToEnd(["X-A", "1", "X-B", "2", "connection", value])).toEqual(["X-B", "2"]);
  });

  test("lose what either of two Connection headers names, at any position", () => {
    expect(endToEnd(["Connection", "a", "A", "1", "B", "2", "C", "3", "CONNECTION", "b"])).toEqual(["C", "3"]);
  });

  test.for(["Authorization", "x-api-key", "AUTHORIZATION", "X-API-Key"])(
    "keep %s even where Connection names it",
    (name) => {
      for (const named of [name, name.toLowerCase(), `close, ${name}`]) {
        expect(toUpstreamHeaders(["Connection", named, name, "k"])).toEqual([name, "k", "Via", "1.1 keylane"]);
      }
    },
  );

  test("keep order, case, repetition and values of end-to-end headers", () => {
    const dropped = new Set(`${HOP_BY_HOP} Set-Cookie Host Expect Cookie`.toLowerCase().split(" "));
    fc.assert(
      fc.property(lines, (pairs) => {
        const sent = pairs.map(
          ([name, value]) => [name, name.toLowerCase() === "connection" ? "close" : value] as const,
        );
        const kept = sent.filter(([name]) => !dropped.has(name.toLowerCase()));
        expect(toUpstreamHeaders(sent.flat())).toEqual([...kept.flat(), "Via", "1.1 keylane"]);
      }),
    );
  });

  test("never keep a hop-by-hop header and never lose a credential, whatever Connection names", () => {
    fc.assert(
      fc.property(lines, fc.array(name), (pairs, named) => {
        const sent = ["Connection", named.join(", "), ...pairs.flat()];
        expect(credentials(toUpstreamHeaders(sent))).toEqual(credentials(sent));
        for (const name of lower(toUpstreamHeaders(sent))) {
          expect(`${HOP_BY_HOP} set-cookie host`.toLowerCase().split(" ")).not.toContain(name);
        }
      }),
    );
  });

  test("are looked up by name in any case: the first of several", () => {
    expect(firstHeader(["a", "1", "CONTENT-Length", "2", "content-length", "3"], "content-length")).toBe("2");
    expect(firstHeader(["a", "content-length"], "content-length")).toBeUndefined();
  });
});

describe("Cache-Status", () => {
  const forward = { by: "forward", why: "uri-miss", isStored: true, isCollapsed: false } as const;
  test.for([
    [{ by: "hit", ttlMs: 38_000 }, "keylane; hit; ttl=38"],
    [{ by: "hit", ttlMs: 38_999 }, "keylane; hit; ttl=38"],
    [{ by: "hit", ttlMs: 0 }, "keylane; hit; ttl=0"],
    [{ by: "hit", ttlMs: -12_000, detail: "refreshing" }, "keylane; hit; ttl=-12; detail=refreshing"],
    [{ by: "hit", ttlMs: -1, detail: "upstream-failed" }, "keylane; hit; ttl=-1; detail=upstream-failed"],
    [forward, "keylane; fwd=uri-miss; stored"],
    [{ ...forward, isCollapsed: true }, "keylane; fwd=uri-miss; stored; collapsed"],
    [{ ...forward, why: "stale" }, "keylane; fwd=stale; stored"],
    [{ ...forward, why: "request", isStored: false }, "keylane; fwd=request"],
    [{ ...forward, why: "bypass", isStored: false }, "keylane; fwd=bypass"],
  ] satisfies [CacheOutcome, string][])("of %o is %s", ([outcome, wanted]) => {
    expect(cacheStatus(outcome)).toBe(wanted);
  });
});

describe("a joined header", () => {
  test("has the value that Headers gives", () => {
    const value = fc.stringMatching(/^(?:[\x21-\x7e\xa1-\xff](?:[\t -~]{0,8}[!-~])?)?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(spelling, value), { maxLength: 12 }), name, (pairs, wanted) => {
        const name = wanted.toLowerCase();
        // Headers joins Cookie with a semicolon and keeps Set-Cookie separate.
        fc.pre(name !== "cookie" && name !== "set-cookie");
        expect(joinedHeader(pairs.flat(), name)).toBe(new Headers(pairs).get(name));
      }),
    );
  });

  test("may be empty, which is not absent", () => {
    expect(joinedHeader(["X-Api-Key", ""], "x-api-key")).toBe("");
    expect(joinedHeader(["X-Api-Key", "", "x-api-key", "a"], "x-api-key")).toBe(", a");
    expect(joinedHeader(["X-Api-Keys", "a"], "x-api-key")).toBe(null);
  });
});
