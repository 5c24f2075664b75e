import { monitorEventLoopDelay } from "node:perf_hooks";

// Loaded into a measured server. Answers messages: `cpu` with the CPU time that the process has used, in microseconds;
// `loop` with the longest delay of its event loop since the last such message, in milliseconds; `gc` collects garbage.
const delays = monitorEventLoopDelay({ resolution: 1 });
process.on("message", (message) => {
  if (message === "cpu") {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  } else if (message === "loop") {
    process.send?.(delays.max / 1e6);
    delays.enable();
    delays.reset();
  } else {
    globalThis.gc?.();
    process.send?.("done");
  }
});
// Exits when the bench is interrupted.
process.on("disconnect", () => process.exit());
