import { monitorEventLoopDelay } from "node:perf_hooks";

// Loaded into a server under measurement. Answers a message with metrics of its own process: `cpu` with the CPU time it
// has used, in microseconds, `loop` with the longest its event loop stood still since the last such message, in
// milliseconds; `gc` collects garbage.
const delays = monitorEventLoopDelay({ resolution: 1 });
process.on("message", (asked) => {
  if (asked === "cpu") {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  } else if (asked === "loop") {
    process.send?.(delays.max / 1e6);
    delays.enable();
    delays.reset();
  } else {
    globalThis.gc?.();
    process.send?.("done");
  }
});
// A bench that was cut short leaves nothing behind.
process.on("disconnect", () => process.exit());
