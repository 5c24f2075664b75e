// On Workers, a cancelled passthrough call aborts its upstream call, and only that one.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { POLL } from "../support/stale-setup.ts";
import { startBoundWorker, type KeyCall } from "../support/worker/bound.ts";

describe.concurrent("a cancelled passthrough call", () => {
  const CHAT = "/v1/chat/completions";
  const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c d" }] });

  test.for<KeyCall>([{ path: "/v1/echo" }, { path: CHAT, method: "POST", body }])(
    "is aborted upstream before the response: $path",
    async (call, context) => {
      const all = await startBoundWorker(context);
      all.nano.fail({ kind: "hang-before-headers" }, { path: call.path });
      const cancellable = all.startCancellable([{ key: ALICE, ...call }]);
      await context.expect
        .poll(() => all.nano.seen.filter(({ target }) => target.endsWith(call.path ?? "")).length, POLL)
        .toBe(1);
      await cancellable.cancel();
      const seen = all.nano.seen.find(({ target }) => target.endsWith(call.path ?? ""));
      await seen?.closed;
      expect(seen).toMatchObject({ complete: true, aborted: true });
    },
  );

  test("is aborted upstream within its stream, and no other call is", async (context) => {
    const all = await startBoundWorker(context);
    const headers = { "x-standin-interval-ms": "200" };
    const call = { key: ALICE, path: CHAT, method: "POST", body, headers };
    const completed = all.call([call]);
    const cancellable = all.startCancellable([call]);
    const streams = () => all.nano.seen.filter(({ target }) => target.endsWith(CHAT));
    await context.expect.poll(() => streams().length, POLL).toBe(2);
    await sleep(100);
    await cancellable.cancel();
    expect((await completed)[0]?.text).toContain("data: [DONE]\n\n");
    await Promise.all(streams().map(({ closed }) => closed));
    expect(
      streams()
        .map((one) => one.aborted)
        .toSorted((a, b) => Number(a) - Number(b)),
    ).toEqual([false, true]);
  });
});
