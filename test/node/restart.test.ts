// Restarts under load lose no response: clients see refused connections at most.
import { expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { startProgram, type Program } from "../support/program.ts";
import { ACCOUNTS } from "../support/setup.ts";
import { problemsOf, load, type LoadOptions } from "../support/herd-load.ts";

const LONG_POLL = { timeout: 20_000, interval: 20 };

const KINDS: readonly ({ how: string } & LoadOptions)[] = [
  { how: "on busy keep-alive connections", keepsAlive: true, clients: 12, pauseMs: 2 },
  { how: "on keep-alive connections that are idle between calls", keepsAlive: true, clients: 24, pauseMs: 150 },
  { how: "on a new connection for each call", keepsAlive: false, clients: 12, pauseMs: 2 },
];

test("restarts on the same port under load cost clients nothing but refused connections", async () => {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const settings = { UPSTREAM_URL: nano.url, MAX_AGE: "50ms", LOG_LEVEL: "silent" };
  let program: Program = await startProgram(settings);
  const { url } = program;
  const loads = KINDS.map(({ how, ...options }) => ({ how, calls: load(url, options) }));
  const answered = () => Math.min(...loads.map(({ calls }) => calls.answered()));
  const untilBusy = (before: number) => expect.poll(() => answered() - before, LONG_POLL).toBeGreaterThan(25);
  for (let restarts = 0; restarts < 2; restarts++) {
    await untilBusy(answered());
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    program = await startProgram({ ...settings, PORT: new URL(url).port });
  }
  await untilBusy(answered());
  for (const { how, calls } of loads) {
    await calls.end();
    expect(problemsOf(calls), how).toEqual([]);
  }
}, 60_000);
