import { readdirSync, readFileSync } from "node:fs";
import type { ConsoleFiles } from "../routes/console.ts";

const FOLDER = new URL("../console/", import.meta.url);

/** Reads the files of the console page, once at start. */
export function readConsoleFiles(): ConsoleFiles {
  const names = readdirSync(FOLDER).filter((name) => /\.(?:html|css|js)$/.test(name));
  return new Map(names.map((name) => [name, readFileSync(new URL(name, FOLDER), "utf8")]));
}
