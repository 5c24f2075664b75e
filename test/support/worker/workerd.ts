import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

export interface Workerd {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** What the Worker wrote to its console. */
  readonly output: string[];
  stop(): Promise<void>;
}

/**
 * Starts a bundle in workerd itself, listening on a free port: no development server in between, which would code
 * bodies and rewrite targets on its own. `bindings` become text bindings.
 */
export async function startWorkerd(bundle: string, bindings: Record<string, string> = {}): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-workerd-"));
  const config = join(folder, "config.capnp");
  await writeFile(config, configOf(bundle, bindings));
  const child = spawn(binary(), ["serve", "--control-fd=3", `--import-path=${dirname(bundle)}`, config], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const output: string[] = [];
  child.stdout?.on("data", (data: Buffer) => output.push(data.toString()));
  child.stderr?.on("data", (data: Buffer) => output.push(data.toString()));
  const exited = once(child, "exit");
  const control = child.stdio[3];
  if (control === null || control === undefined) throw new Error("workerd has no control pipe");
  const told = await Promise.race([
    once(control, "data").then(([data]) => String(data)),
    exited.then(() => Promise.reject(new Error(`workerd did not start: ${output.join("")}`))),
  ]);
  const { port } = JSON.parse(told.split("\n")[0] ?? "") as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    output,
    async stop() {
      child.kill("SIGKILL");
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

function configOf(bundle: string, bindings: Record<string, string>): string {
  const texts = Object.entries(bindings).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed ${JSON.stringify(`/${basename(bundle)}`)})],
      bindings = [${texts.join(", ")}],
      compatibilityDate = "2026-10-20",
      compatibilityFlags = ["enable_request_signal"],
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["private", "public"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`;
}

// The package's own entry knows where the binary of this platform is.
function binary(): string {
  const require = createRequire(import.meta.url);
  const found: unknown = require("workerd");
  if (typeof found === "object" && found !== null && "default" in found) return String(found.default);
  throw new Error("The package workerd names no binary");
}
