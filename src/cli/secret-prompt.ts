import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** Reads a secret from the terminal without showing it; empty when the user presses Ctrl-C or Ctrl-D. */
export async function promptSecret(name: string): Promise<string> {
  const discard = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: discard, terminal: true });
  process.stderr.write(`${name} (not shown): `);
  // `question` never resolves when Ctrl-C or Ctrl-D closes the terminal.
  const closed = once(terminal, "close").then(() => "");
  try {
    return await Promise.race([terminal.question("").catch(() => ""), closed]);
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
