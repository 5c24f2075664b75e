import { beforeEach, describe, expect, test } from "vitest";
import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { errorBody } from "../../src/http/errors.ts";
import type { Log, LogFields } from "../../src/observability/log.ts";
import { throttledLog } from "../../src/observability/throttled-log.ts";
import { fetchFailureLog } from "../../src/cache/fetch-job.ts";
import { UpstreamFailure } from "../../src/upstream/failures.ts";

const MINUTE = 60_000;
let now = 1_000_000;
let received: [string, LogFields][] = [];
const one = () =>
  throttledLog(
    () => now,
    (fields) => received.push(["fails", fields]),
    (fields) => received.push(["recovered", fields]),
  );

beforeEach(() => {
  now = 1_000_000;
  received = [];
});

describe("a failure that repeats", () => {
  test("is logged when it begins, once a minute with its count while it lasts, and when it ends", () => {
    const it = one();
    it.recovered();
    for (let second = 0; second < 600; second++, now += 1000)
      for (let caller = 0; caller < 500; caller++) it.failure("timeout", { caller });
    it.recovered();
    it.recovered();
    expect(received).toEqual([
      ["fails", { caller: 0, times: 1 }],
      ...Array.from({ length: 9 }, () => ["fails", { caller: 0, times: 30_000 }]),
      ["recovered", { times: 300_000, seconds: 600 }],
    ]);
  });

  test("is logged for each of its names", () => {
    const it = one();
    for (const name of ["timeout", "status 503", "timeout", "status 503"]) it.failure(name, { name });
    expect(received.map(([, { name }]) => name)).toEqual(["timeout", "status 503"]);
  });

  test("takes no more lines when it comes and goes, and none of them is lost count of", () => {
    const it = one();
    for (let second = 0; second < 180; second++, now += 1000) {
      it.failure("timeout");
      it.recovered();
    }
    expect(received.map(([what]) => what)).toEqual(["fails", "recovered", "fails", "recovered", "fails", "recovered"]);
    expect(received.filter(([what]) => what === "fails").map(([, { times }]) => times)).toEqual([1, 60, 60]);
  });

  test("is logged at once after a clock has stepped back", () => {
    const it = one();
    it.failure("timeout");
    now -= 10 * MINUTE;
    it.failure("timeout");
    expect(received).toHaveLength(2);
  });

  test("never takes more than two lines a minute for each name, whatever happens", () => {
    const step = record({
      ms: integer({ min: 0, max: 20_000 }),
      name: constantFrom("a", "b", "recovered"),
    });
    assert(
      property(array(step, { maxLength: 200 }), (steps) => {
        received = [];
        const begin = now;
        const it = one();
        for (const { ms, name } of steps) {
          now += ms;
          if (name === "recovered") it.recovered();
          else it.failure(name, { name });
        }
        const minutes = Math.floor((now - begin) / MINUTE) + 1;
        for (const name of ["a", "b"])
          expect(received.filter(([, fields]) => fields["name"] === name).length).toBeLessThanOrEqual(minutes);
        const fails = received.filter(([what]) => what === "fails").length;
        expect(received.length - fails).toBeLessThanOrEqual(fails);
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
      it.failure(fault(401), "client-1");
      it.recovered();
      it.failure(fault(503), "client-2");
      it.failure(fault(401), "client-3");
      it.recovered();
    }
    expect(lines).toEqual([
      "warn model list fetch failed status 401 client-1",
      "warn model list fetch failed status 503 client-2",
      "info model list fetch recovered",
    ]);
  });
});

const fault = (status: number) => new UpstreamFailure("failed", errorBody(status, null, "m"), `status ${status}`);
