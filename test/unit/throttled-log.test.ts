import { beforeEach, describe, expect, test } from "vitest";
import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { errorBody } from "../../src/http/errors.ts";
import type { Log, LogFields } from "../../src/observability/log.ts";
import { throttledLog } from "../../src/observability/throttled-log.ts";
import { UpstreamFailure, fetchFailureLog } from "../../src/upstream/failures.ts";

const MINUTE = 60_000;
let now = 1_000_000;
let told: [string, LogFields][] = [];
const one = () =>
  throttledLog(
    () => now,
    (fields) => told.push(["fails", fields]),
    (fields) => told.push(["well", fields]),
  );

beforeEach(() => {
  now = 1_000_000;
  told = [];
});

describe("a failure that repeats", () => {
  test("is told when it begins, once a minute with its number while it lasts, and when it is over", () => {
    const it = one();
    it.recovered();
    for (let second = 0; second < 600; second++, now += 1000)
      for (let caller = 0; caller < 500; caller++) it.failure("timeout", { caller });
    it.recovered();
    it.recovered();
    expect(told).toEqual([
      ["fails", { caller: 0, times: 1 }],
      ...Array.from({ length: 9 }, () => ["fails", { caller: 0, times: 30_000 }]),
      ["well", { times: 300_000, seconds: 600 }],
    ]);
  });

  test("is told by each of its names", () => {
    const it = one();
    for (const name of ["timeout", "status 503", "timeout", "status 503"]) it.failure(name, { name });
    expect(told.map(([, { name }]) => name)).toEqual(["timeout", "status 503"]);
  });

  test("takes no more lines when it comes and goes, and none of them is lost count of", () => {
    const it = one();
    for (let second = 0; second < 180; second++, now += 1000) {
      it.failure("timeout");
      it.recovered();
    }
    expect(told.map(([what]) => what)).toEqual(["fails", "well", "fails", "well", "fails", "well"]);
    expect(told.filter(([what]) => what === "fails").map(([, { times }]) => times)).toEqual([1, 60, 60]);
  });

  test("is told at once after a clock has stepped back", () => {
    const it = one();
    it.failure("timeout");
    now -= 10 * MINUTE;
    it.failure("timeout");
    expect(told).toHaveLength(2);
  });

  test("never takes more than two lines a minute for each name, whatever happens", () => {
    const step = record({
      ms: integer({ min: 0, max: 20_000 }),
      name: constantFrom("a", "b", "well"),
    });
    assert(
      property(array(step, { maxLength: 200 }), (steps) => {
        told = [];
        const begin = now;
        const it = one();
        for (const { ms, name } of steps) {
          now += ms;
          if (name === "well") it.recovered();
          else it.failure(name, { name });
        }
        const minutes = Math.floor((now - begin) / MINUTE) + 1;
        for (const name of ["a", "b"])
          expect(told.filter(([, fields]) => fields["name"] === name).length).toBeLessThanOrEqual(minutes);
        const fails = told.filter(([what]) => what === "fails").length;
        expect(told.length - fails).toBeLessThanOrEqual(fails);
      }),
    );
  });
});

describe("list fetches that fail", () => {
  const lines: string[] = [];
  const write = (level: string) => (fields: LogFields, msg: string) => {
    lines.push(`${level} ${msg} ${fields["reason"] ?? ""} ${fields["caller"] ?? ""}`.trim());
  };
  const log: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };

  test("end for upstream with a good answer, and not for a key that is refused", () => {
    const it = fetchFailureLog(() => now, log);
    for (let i = 0; i < 3; i++) {
      it.failed(fault(401), "caller-1");
      it.well();
      it.failed(fault(503), "caller-2");
      it.failed(fault(401), "caller-3");
      it.well();
    }
    expect(lines).toEqual([
      "warn list not fetched status 401 caller-1",
      "warn list not fetched status 503 caller-2",
      "info lists are fetched again",
    ]);
  });
});

const fault = (status: number) =>
  new UpstreamFailure("failed", errorBody(status, null, "m"), `status ${status}`);
