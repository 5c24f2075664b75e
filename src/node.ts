#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// Set first: V8 does not read these flags later. Lists and bodies are outside V8's heap, and are freed when the objects
// that reference them are collected. So the young generation keeps its initial 1 MB, which is collected often, and the
// heap may grow to twice its live size. With V8's defaults 2,000 keys took 40 MB more, and a 1 MB upload twice the CPU, since
// the whole heap was marked at every sixteenth upload. A hit costs up to 4 % more (npm run bench -- resident calls hits).
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--heap-growing-percent=100");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Keylane needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // Imported after the check: an older Node would fail inside a library, with an unhelpful message.
  const { main } = await import("./cli/main.ts");
  process.exitCode = await main(process.argv.slice(2), process.env);
}
