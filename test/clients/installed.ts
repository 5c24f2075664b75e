import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe } from "vitest";

// Large clients are in a separate package, so that the root's `npm ci` stays quick.
const folder = new URL("./node_modules/", import.meta.url).pathname;

/** `describe` for tests that need an installed package: skipped where it is missing, unless CI=true. */
export function describeIfInstalled(name: string): typeof describe.only {
  const isInstalled = existsSync(join(folder, name));
  if (!isInstalled) console.warn(`Skipped: ${name} is not installed. To run it: npm ci --prefix test/clients`);
  return describe.skipIf(!isInstalled && process.env["CI"] !== "true");
}

/** The absolute path of a file of an installed package, such as `sillytavern/server.js`. */
export function installedPath(path: string): string {
  return join(folder, path);
}

/** Imports an installed package; `Module` is the type of the parts that a test uses. */
export async function importInstalled<Module>(name: string): Promise<Module> {
  const require = createRequire(join(folder, "any.js"));
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}
