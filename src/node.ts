#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// Before anything else, since neither is taken back. Lists and bodies lie outside of V8's heap, and go when the objects
// that hold them are collected. So young objects keep the 1 MB they begin with, to be looked through often, and the heap
// may grow to twice what lives in it. By V8's own measure 2,000 keys took 40 MB more, and a 1 MB upload twice the CPU:
// the whole heap was marked for every sixteenth. A hit costs up to 4 % more (npm run bench -- resident calls hits).
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--heap-growing-percent=100");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Keylane needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // Imported only now: an older Node would fail in the middle of a library, with a message that helps nobody.
  const { main } = await import("./cli/main.ts");
  process.exitCode = await main(process.argv.slice(2), process.env);
}
