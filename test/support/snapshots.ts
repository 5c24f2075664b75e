import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { setFlagsFromString, writeHeapSnapshot } from "node:v8";
import { runInNewContext } from "node:vm";

// Loaded into the program before it starts (NODE_OPTIONS=--import): on SIGUSR2 it writes everything reachable, objects and
// strings to SNAPSHOT_FILE and the bytes of every buffer to SNAPSHOT_FILE.bytes.
setFlagsFromString("--expose-gc");
// By default a snapshot truncates strings after 1024 characters.
setFlagsFromString("--heap-snapshot-string-limit=10000000");
const collectGarbage = runInNewContext("gc") as () => void;

// This buffer shows that buffers are searched. It is given in hexadecimal, so that its text is not also a string.
const probe = Buffer.from(process.env["SNAPSHOT_PROBE"] ?? "", "hex");

process.on("SIGUSR2", () => void write(process.env["SNAPSHOT_FILE"] ?? ""));

async function write(file: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    // Finalizers, and the objects they release, need several turns of the event loop.
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    collectGarbage();
  }
  writeHeapSnapshot(`${file}.part`);
  writeFileSync(`${file}.bytes`, Buffer.from(await readAllBuffers(), "base64"));
  if (probe.length === 0) throw new Error("SNAPSHOT_PROBE is not set");
  // Moved into place once both files are complete.
  renameSync(`${file}.part`, file);
}

/** Gives the bytes of every live ArrayBuffer, which a snapshot does not contain, in base64. */
async function readAllBuffers(): Promise<string> {
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
