import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe } from "vitest";

// The large clients have a package of their own, so that the root's `npm ci` stays quick.
const folder = new URL("./node_modules/", import.meta.url).pathname;

/** `describe` for what needs an installed package: skipped where it is not here, unless CI=true says that it has to be. */
export function describeWith(name: string): typeof describe.only {
  const isHere = existsSync(join(folder, name));
  if (!isHere) console.warn(`Skipped: ${name} is not installed here. To run it: npm ci --prefix test/clients`);
  return describe.skipIf(!isHere && process.env["CI"] !== "true");
}

/** Is the path of a file of an installed package, such as `sillytavern/server.js`. */
export function installedFile(path: string): string {
  return join(folder, path);
}

/** Imports an installed package; `Module` says what of it a test uses. */
export async function installed<Module>(name: string): Promise<Module> {
  const require = createRequire(join(folder, "here.js"));
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}
