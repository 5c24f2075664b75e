// A repeated failure takes at most one log line a minute for each name, with its count, and one line when it ends.
import { beforeEach, describe, expect, test } from "vitest";
import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { errorBody } from "../../src/http/errors.ts";
import type { Log, LogFields } from "../../src/observability/log.ts";
import { throttledLog } from "../../src/observability/throttled-log.ts";
import { fetchFailureLog } from "../../src/cache/fetch-job.ts";
import { UpstreamFailure } from "../../src/upstream/failures.ts";

const MINUTE = 60_000;
let now = 1_000_000;
let lines: [string, LogFields][] = [];
const createLog = () =>
  throttledLog(
    () => now,
    (fields) => lines.push(["failure", fields]),
    (fields) => lines.push(["recovery", fields]),
  );

beforeEach(() => {
  now = 1_000_000;
  lines = [];
});

describe("a repeated failure", () => {
  test("is logged when it begins, once a minute with its count while it lasts, and when it ends", () => {
    const log = createLog();
    log.recovered();
    for (let second = 0; second < 600; second++, now += 1000)
      for (let caller = 0; caller < 500; caller++) log.failure("timeout", { caller });
    log.recovered();
    log.recovered();
    expect(lines).toEqual([
      ["failure", { caller: 0, times: 1 }],
      ...Array.from({ length: 9 }, () => ["failure", { caller: 0, times: 30_000 }]),
      ["recovery", { times: 300_000, seconds: 600 }],
    ]);
  });

  test("is logged separately for each name", () => {
    const log = createLog();
    for (const name of ["timeout", "status 503", "timeout", "status 503"]) log.failure(name, { name });
    expect(lines.map(([, { name }]) => name)).toEqual(["timeout", "status 503"]);
  });

  test("that comes and goes takes no more lines, and every occurrence is counted", () => {
    const log = createLog();
    for (let second = 0; second < 180; second++, now += 1000) {
      log.failure("timeout");
      log.recovered();
    }
    expect(lines.map(([kind]) => kind)).toEqual(["failure", "recovery", "failure", "recovery", "failure", "recovery"]);
    expect(lines.filter(([kind]) => kind === "failure").map(([, { times }]) => times)).toEqual([1, 60, 60]);
  });

  test("is logged at once after the clock was set back", () => {
    const log = createLog();
    log.failure("timeout");
    now -= 10 * MINUTE;
    log.failure("timeout");
    expect(lines).toHaveLength(2);
  });

  test("never takes more than one failure line a minute for each name, nor more recoveries than failures", () => {
    const step = record({
      ms: integer({ min: 0, max: 20_000 }),
      name: constantFrom("a", "b", "recovered"),
    });
    assert(
      property(array(step, { maxLength: 200 }), (steps) => {
        lines = [];
        const startedAt = now;
        const log = createLog();
        for (const { ms, name } of steps) {
          now += ms;
          if (name === "recovered") log.recovered();
          else log.failure(name, { name });
        }
        const minutes = Math.floor((now - startedAt) / MINUTE) + 1;
        for (const name of ["a", "b"])
          expect(lines.filter(([, fields]) => fields["name"] === name).length).toBeLessThanOrEqual(minutes);
        const failures = lines.filter(([kind]) => kind === "failure").length;
        expect(lines.length - failures).toBeLessThanOrEqual(failures);
      }),
    );
  });
});

describe("failed list fetches", () => {
  const messages: string[] = [];
  const write = (level: string) => (fields: LogFields, msg: string) => {
    messages.push(`${level} ${msg} ${fields["reason"] ?? ""} ${fields["caller"] ?? ""}`.trim());
  };
  const sink: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };

  test("end for upstream with a good list, and not for a key that upstream rejects", () => {
    const log = fetchFailureLog(() => now, sink);
    for (let i = 0; i < 3; i++) {
      log.failure(failure(401), "client-1");
      log.recovered();
      log.failure(failure(503), "client-2");
      log.failure(failure(401), "client-3");
      log.recovered();
    }
    expect(messages).toEqual([
      "warn model list fetch failed status 401 client-1",
      "warn model list fetch failed status 503 client-2",
      "info model list fetch recovered",
    ]);
  });
});

const failure = (status: number) => new UpstreamFailure("failed", errorBody(status, null, "m"), `status ${status}`);
