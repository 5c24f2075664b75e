import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  joinedHeader,
  toClientHeaders,
  endToEnd,
  firstHeader,
  toUpstreamHeaders,
} from "../../src/http/headers.ts";
import { cacheStatus, type CacheOutcome } from "../../src/http/cache-status.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const namesOf = (lines: readonly string[]) => lines.filter((_, i) => i % 2 === 0);
const lower = (lines: readonly string[]) => namesOf(lines).map((name) => name.toLowerCase());
const credentials = (lines: readonly string[]) =>
  lower(lines).filter((name) => name === "authorization" || name === "x-api-key");
const HOP_BY_HOP =
  "Connection Keep-Alive TE Trailer Transfer-Encoding Upgrade Proxy-Authorization Proxy-Authenticate Proxy-Connection proxy-x";
const ORDINARY =
  "Accept Content-Type X-Title User-Agent anthropic-version Authorization x-api-key X-Request-Id";

const name = fc.constantFrom(...`${HOP_BY_HOP} ${ORDINARY} Set-Cookie Cookie Host Expect Date`.split(" "));
const written = name.chain((name) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase()));
const lines = fc.array(fc.tuple(written, fc.stringMatching(/^[\x21-\x7e]{0,12}$/)), { maxLength: 12 });

describe("fields on their way", () => {
  test.for(HOP_BY_HOP.split(" "))("lose %s both ways: it belongs to one connection", (name) => {
    for (const written of [name, name.toLowerCase(), name.toUpperCase()]) {
      const sent = ["A", "1", written, "x", "B", "2", "Date", "d"];
      expect(toUpstreamHeaders(sent)).toEqual(["A", "1", "B", "2", "Date", "d", "Via", "1.1 keylane"]);
      expect(toClientHeaders(sent, {}, NOW)).toEqual(["A", "1", "B", "2", "Date", "d"]);
    }
  });

  test.for(["Host", "expect", "Cookie", "COOKIE", "Set-Cookie"])("upward lose %s", (name) => {
    expect(toUpstreamHeaders([name, "x"])).toEqual(["Via", "1.1 keylane"]);
  });

  test.for([
    "Set-Cookie",
    "Access-Control-Allow-Origin",
    "access-control-allow-headers",
    "ACCESS-CONTROL-MAX-AGE",
  ])("downward lose %s", (name) => {
    const cors = { "Access-Control-Allow-Origin": "*" };
    const down = toClientHeaders([name, "x", "Date", "d"], cors, NOW);
    expect(down).toEqual(["Date", "d", "Access-Control-Allow-Origin", "*"]);
  });

  test("downward get a Date where there is none", () => {
    expect(toClientHeaders(["A", "1"], {}, NOW)).toEqual(["A", "1", "Date", "Fri, 02 Jan 2026 03:04:05 GMT"]);
    expect(toClientHeaders(["dAtE", "theirs"], {}, NOW)).toEqual(["dAtE", "theirs"]);
  });

  test.for(["x-a", " X-A ,keep-alive", "close, ,x-a,", "X-a,X-A"])(
    "lose what Connection: %s names",
    (value) => {
      expect(endToEnd(["X-A", "1", "X-B", "2", "connection", value])).toEqual(["X-B", "2"]);
    },
  );

  test("lose what any of two Connection fields names, wherever they stand", () => {
    expect(endToEnd(["Connection", "a", "A", "1", "B", "2", "C", "3", "CONNECTION", "b"])).toEqual([
      "C",
      "3",
    ]);
  });

  test.for(["Authorization", "x-api-key", "AUTHORIZATION", "X-API-Key"])(
    "keep %s even where Connection names it",
    (name) => {
      for (const named of [name, name.toLowerCase(), `close, ${name}`]) {
        expect(toUpstreamHeaders(["Connection", named, name, "k"])).toEqual([
          name,
          "k",
          "Via",
          "1.1 keylane",
        ]);
      }
    },
  );

  test("keep order, case, repetition and values of all that is end to end", () => {
    const gone = new Set(`${HOP_BY_HOP} Set-Cookie Host Expect Cookie`.toLowerCase().split(" "));
    fc.assert(
      fc.property(lines, (pairs) => {
        const sent = pairs.map(
          ([name, value]) => [name, name.toLowerCase() === "connection" ? "close" : value] as const,
        );
        const kept = sent.filter(([name]) => !gone.has(name.toLowerCase()));
        expect(toUpstreamHeaders(sent.flat())).toEqual([...kept.flat(), "Via", "1.1 keylane"]);
      }),
    );
  });

  test("never keep what is hop-by-hop, and never lose a credential, whatever Connection says", () => {
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

  test("are found by name in any case, the first of several", () => {
    expect(firstHeader(["a", "1", "CONTENT-Length", "2", "content-length", "3"], "content-length")).toBe("2");
    expect(firstHeader(["a", "content-length"], "content-length")).toBeUndefined();
  });
});

describe("Cache-Status is written", () => {
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
  ] satisfies [CacheOutcome, string][])("for %o: %s", ([outcome, wanted]) => {
    expect(cacheStatus(outcome)).toBe(wanted);
  });
});

describe("the value of a field", () => {
  test("is the one that Headers makes of all its lines", () => {
    const value = fc.stringMatching(/^(?:[\x21-\x7e\xa1-\xff](?:[\t -~]{0,8}[!-~])?)?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(written, value), { maxLength: 12 }), name, (pairs, wanted) => {
        const name = wanted.toLowerCase();
        // Headers itself joins cookies by a semicolon, and gives each of them where they are set.
        fc.pre(name !== "cookie" && name !== "set-cookie");
        expect(joinedHeader(pairs.flat(), name)).toBe(new Headers(pairs).get(name));
      }),
    );
  });

  test("may be empty, which is not none", () => {
    expect(joinedHeader(["X-Api-Key", ""], "x-api-key")).toBe("");
    expect(joinedHeader(["X-Api-Key", "", "x-api-key", "a"], "x-api-key")).toBe(", a");
    expect(joinedHeader(["X-Api-Keys", "a"], "x-api-key")).toBe(null);
  });
});
