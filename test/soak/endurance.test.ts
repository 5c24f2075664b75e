// Minutes of mixed faults leak no memory, sockets, files or timers.
import { expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { plainCall } from "../support/plain-call.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";
import { startMeasuredProgram, type ProgramMetrics } from "../support/herd-program.ts";
import { injectFaults, type Random } from "../support/herd-faults.ts";
import { OLD } from "../support/stale-setup.ts";

const MINUTES = Number(process.env["MINUTES"] ?? 1);
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const WARM_UP_MS = 20_000;
const MB = 1024 * 1024;

// Short, so that each of them expires many times.
const SETTINGS = {
  MAX_AGE: "1s",
  STALE_WHILE_REVALIDATE: "2s",
  STALE_IF_ERROR: "5s",
  REFUSAL_MAX_AGE: "500ms",
  LIST_TIMEOUT: "800ms",
  PASSTHROUGH_TIMEOUT: "2s",
  HEADERS_TIMEOUT: "2s",
  REQUEST_TIMEOUT: "5s",
  MEMORY_MAX_SIZE: "2MB",
};

test(
  `${MINUTES} minutes of mixed faults (SEED=${SEED}) leak no heap, sockets, files or timers`,
  async () => {
    const nano = await startNanoGpt({ accounts: ACCOUNTS });
    onTestFinished(() => nano.stop());
    const program = await startMeasuredProgram({ UPSTREAM_URL: nano.url, ...SETTINGS });
    const random = createRandom(SEED);

    async function measureIdle(): Promise<ProgramMetrics> {
      // Closes idle connections, and waits for the timeouts of hanging requests.
      await nano.pause();
      await nano.resume();
      let metrics = await program.measure();
      const openSockets = async () => {
        metrics = await program.measure();
        return metrics.resources["TCPSocketWrap"] ?? 0;
      };
      await expect.poll(openSockets, { timeout: 20_000, interval: 500 }).toBe(0);
      return metrics;
    }

    await injectFaults(nano, program.url, random, WARM_UP_MS);
    const before = await measureIdle();
    const calls = await injectFaults(nano, program.url, random, MINUTES * 60_000);
    const after = await measureIdle();
    console.log(JSON.stringify({ calls, before, after }));

    expect(calls).toBeGreaterThan(MINUTES * 500);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 * MB);
    expect(after.external - before.external).toBeLessThan(3 * MB);
    expect(after.files).toBeLessThanOrEqual(before.files);
    expect(after.resources).toEqual(before.resources);

    const list = await plainCall(`${program.url}/v1/models`, { fields: `Authorization: Bearer ${ALICE}` });
    expect(OLD.every((id) => list.text.includes(`"${id}"`))).toBe(true);
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(0);
    expect(program.stderr()).not.toMatch(/unhandled|uncaught|Error/);
  },
  (MINUTES + 2) * 60_000,
);

// Mulberry32, a small seeded generator.
function createRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
