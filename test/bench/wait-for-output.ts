import { once } from "node:events";

/** Reads a stream until it has said something, and gives the part in the first parentheses. The rest is let go by. */
export async function waitForOutput(stream: NodeJS.ReadableStream, what: RegExp): Promise<string> {
  let text = "";
  while (!what.test(text)) text += String((await once(stream, "data"))[0]);
  stream.resume();
  return what.exec(text)?.[1] ?? "";
}
