import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ALICE } from "../support/setup.ts";
import { POLL } from "../support/stale-setup.ts";
import { boundWorker, type Ask } from "../support/worker/bound.ts";

describe.concurrent("a cancelled call that passes through", () => {
  const CHAT = "/v1/chat/completions";
  const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "a b c d" }] });

  test.for<Ask>([{ path: "/v1/echo" }, { path: CHAT, method: "POST", body }])(
    "ends upstream, before its answer: $path",
    async (ask, context) => {
      const all = await boundWorker(context);
      all.nano.fail({ kind: "hang-before-headers" }, { path: ask.path });
      const callers = all.leaving([{ key: ALICE, ...ask }]);
      await context.expect
        .poll(() => all.nano.seen.filter(({ target }) => target.endsWith(ask.path ?? "")).length, POLL)
        .toBe(1);
      await callers.leave();
      const seen = all.nano.seen.find(({ target }) => target.endsWith(ask.path ?? ""));
      await seen?.closed;
      expect(seen).toMatchObject({ complete: true, aborted: true });
    },
  );

  test("ends upstream, within its stream, and no other's", async (context) => {
    const all = await boundWorker(context);
    const headers = { "x-standin-interval-ms": "200" };
    const call = { key: ALICE, path: CHAT, method: "POST", body, headers };
    const stays = all.ask([call]);
    const callers = all.leaving([call]);
    const streams = () => all.nano.seen.filter(({ target }) => target.endsWith(CHAT));
    await context.expect.poll(() => streams().length, POLL).toBe(2);
    await sleep(100);
    await callers.leave();
    expect((await stays)[0]?.text).toContain("data: [DONE]\n\n");
    await Promise.all(streams().map(({ closed }) => closed));
    expect(
      streams()
        .map((one) => one.aborted)
        .toSorted((a, b) => Number(a) - Number(b)),
    ).toEqual([false, true]);
  });
});
