import { renameSync } from "node:fs";
import { setFlagsFromString, writeHeapSnapshot } from "node:v8";
import { runInNewContext } from "node:vm";

// Loaded into the program before it starts (NODE_OPTIONS=--import): SIGUSR2 makes it write down all that it can reach.
setFlagsFromString("--expose-gc");
// A snapshot would cut strings after 1024 characters, and with them what is searched for.
setFlagsFromString("--heap-snapshot-string-limit=10000000");
const collect = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => void write(process.env["SNAPSHOT_FILE"] ?? ""));

async function write(file: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    // Finalizers, and what they let go of, need turns of their own.
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    collect();
  }
  // Moved into place only when it is whole.
  renameSync(writeHeapSnapshot(`${file}.part`), file);
}
