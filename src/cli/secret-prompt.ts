import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** Reads a secret from the terminal without showing it; empty when the user presses Ctrl-C or Ctrl-D. */
export async function promptSecret(name: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(`${name} (not shown): `);
  // Ctrl-C and Ctrl-D close the terminal, and the question alone would never resolve.
  const left = once(terminal, "close").then(() => "");
  try {
    return await Promise.race([terminal.question("").catch(() => ""), left]);
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
