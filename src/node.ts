#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Keylane needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // Imported only now: an older Node would fail in the middle of a library, with a message that helps nobody.
  const { command } = await import("./node/command.ts");
  process.exitCode = await command(process.argv.slice(2), process.env);
}
