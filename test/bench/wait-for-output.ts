import { once } from "node:events";

/** Reads a stream until `pattern` matches, and gives its first group. Discards the rest. */
export async function waitForOutput(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  let text = "";
  while (!pattern.test(text)) text += String((await once(stream, "data"))[0]);
  stream.resume();
  return pattern.exec(text)?.[1] ?? "";
}
