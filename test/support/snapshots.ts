import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { setFlagsFromString, writeHeapSnapshot } from "node:v8";
import { runInNewContext } from "node:vm";

// Loaded into the program before it starts (NODE_OPTIONS=--import): SIGUSR2 makes it write down all that it can reach,
// objects and strings as SNAPSHOT_FILE, and the bytes of every buffer as SNAPSHOT_FILE.bytes.
setFlagsFromString("--expose-gc");
// A snapshot would cut strings after 1024 characters, and with them what is searched for.
setFlagsFromString("--heap-snapshot-string-limit=10000000");
const collect = runInNewContext("gc") as () => void;

// A buffer of our own (in hexadecimal, so that it is no string) shows that buffers are searched.
const probe = Buffer.from(process.env["SNAPSHOT_PROBE"] ?? "", "hex");

process.on("SIGUSR2", () => void write(process.env["SNAPSHOT_FILE"] ?? ""));

async function write(file: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    // Finalizers, and what they let go of, need turns of their own.
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    collect();
  }
  writeHeapSnapshot(`${file}.part`);
  writeFileSync(`${file}.bytes`, Buffer.from(await everyBuffer(), "base64"));
  if (probe.length === 0) throw new Error("SNAPSHOT_PROBE is not set");
  // Moved into place only when all is whole.
  renameSync(`${file}.part`, file);
}

/** Gives the bytes of all that a snapshot only names: every ArrayBuffer that is alive. In base64. */
async function everyBuffer(): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    const { result } = await session.post("Runtime.evaluate", { expression: "ArrayBuffer.prototype" });
    const { objects } = await session.post("Runtime.queryObjects", {
      prototypeObjectId: result.objectId ?? "",
    });
    const { result: text } = await session.post("Runtime.callFunctionOn", {
      objectId: objects.objectId ?? "",
      functionDeclaration:
        "function () { return Buffer.concat(this.map((one) => Buffer.from(one))).toString('base64'); }",
      returnByValue: true,
    });
    return String(text.value);
  } finally {
    session.disconnect();
  }
}
