// Access-log lines are valid JSON of their fields, written at level info; request ids are random and distinct.
import { METHODS } from "node:http";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonLogger, LOG_LEVELS, accessLogLine, type AccessLogFields } from "../../src/observability/log.ts";
import { requestIdGenerator } from "../../src/http/request-context.ts";

const FIELDS: AccessLogFields = {
  time: 1,
  id: "a",
  method: "GET",
  route: "models",
  status: 200,
  ms: 1,
  cache: "hit",
  caller: "0a1b2c3d",
};

describe("an access-log line", () => {
  test("is one line of JSON with all fields", () => {
    const newId = requestIdGenerator();
    const fields = fc.record({
      time: fc.nat(),
      id: fc.oneof(fc.stringMatching(/^[\w.:-]{1,128}$/), fc.constant(0).map(newId)),
      method: fc.oneof(fc.constantFrom(...METHODS), fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)),
      route: fc.constantFrom("models", "passthrough", "invalid", "not_found"),
      status: fc.integer({ min: 100, max: 999 }),
      ms: fc.oneof(fc.integer(), fc.double({ noDefaultInfinity: true, noNaN: true })),
      cache: fc.constantFrom(undefined, "hit", "stale", "miss"),
      caller: fc.option(fc.stringMatching(/^[0-9a-f]{8}$/), { nil: undefined }),
    }) as fc.Arbitrary<AccessLogFields>;
    fc.assert(
      fc.property(fields, (fields) => {
        const expected = JSON.parse(JSON.stringify({ level: "info", ...fields, msg: "request" })) as object;
        expect(JSON.parse(accessLogLine(fields))).toEqual(expected);
        expect(accessLogLine(fields)).not.toContain("\n");
      }),
    );
  });

  test("is written where LOG_LEVEL includes info", () => {
    for (const level of LOG_LEVELS) {
      const lines: string[] = [];
      const log = jsonLogger(level, Date.now, (line) => lines.push(line));
      log.request(FIELDS);
      log.info({}, "logged");
      expect(lines).toHaveLength(["trace", "debug", "info"].includes(level) ? 2 : 0);
    }
  });
});

describe("request ids", () => {
  test("are 32 hex digits and distinct, beyond one batch of random bytes", () => {
    const newId = requestIdGenerator();
    const ids = Array.from({ length: 1000 }, newId);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set([...ids, requestIdGenerator()()]).size).toBe(1001);
  });
});
