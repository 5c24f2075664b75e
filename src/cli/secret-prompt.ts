import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** Asks for a secret on the terminal, without showing what is typed; gives nothing where the asked one leaves. */
export async function promptSecret(name: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(`${name} (not shown): `);
  // Ctrl-C and Ctrl-D close it, and then the question alone would never be answered.
  const left = once(terminal, "close").then(() => "");
  try {
    return await Promise.race([terminal.question("").catch(() => ""), left]);
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
