import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

export interface Workerd {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** Where the client Worker listens, if there is one. */
  readonly callerUrl: string;
  /** What the Worker wrote to its console. */
  readonly output: string[];
  stop(): Promise<void>;
}

export interface Bindings {
  /** The file of a second Worker, TypeScript without imports, which gets the first as its service binding KEYLANE. */
  readonly caller?: string;
  /** JavaScript that is the Worker in the bundle's place, and imports that as "keylane". */
  readonly entry?: string | undefined;
  /** Where Cloudflare's Cache API listens, as workerd talks to it. */
  readonly cache?: string | undefined;
  /** Where a KV namespace listens, bound as LISTS. */
  readonly lists?: string | undefined;
  /** Where a dataset of Analytics Engine listens, bound as FIGURES. */
  readonly figures?: string | undefined;
}

/**
 * Starts a bundle in workerd itself, listening on a free port: no development server in between, which would code
 * bodies and rewrite targets on its own. `bindings` become text bindings.
 */
export async function startWorkerd(
  bundle: string,
  bindings: Record<string, string> = {},
  peers: Bindings = {},
): Promise<Workerd> {
  const { caller } = peers;
  const folder = await mkdtemp(join(tmpdir(), "keylane-workerd-"));
  const config = join(folder, "config.capnp");
  const callerScript = caller && stripTypeScriptTypes(await readFile(caller, "utf8"));
  await writeFile(config, configOf(bundle, bindings, peers, callerScript));
  const args = ["serve", "--control-fd=3", `--import-path=${dirname(bundle)}`, config];
  // Its Analytics Engine counts as an experiment.
  if (peers.figures !== undefined) args.push("--experimental");
  const child = spawn(binary(), args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const output: string[] = [];
  child.stdout?.on("data", (data: Buffer) => output.push(data.toString()));
  child.stderr?.on("data", (data: Buffer) => output.push(data.toString()));
  const exited = once(child, "exit");
  const control = child.stdio[3];
  if (!(control instanceof Readable)) throw new Error("workerd has no control pipe");
  const ports = new Map<string, number>();
  const listening = (async () => {
    // One JSON line for each socket, once it listens.
    for await (const line of createInterface(control)) {
      const { socket, port } = JSON.parse(line) as { socket: string; port: number };
      ports.set(socket, port);
      if (ports.has("http") && (caller === undefined || ports.has("caller"))) return;
    }
    throw new Error(`workerd did not start: ${output.join("")}`);
  })();
  await Promise.race([
    listening,
    exited.then(() => Promise.reject(new Error(`workerd did not start: ${output.join("")}`))),
  ]);
  return {
    url: `http://127.0.0.1:${ports.get("http")}`,
    callerUrl: `http://127.0.0.1:${ports.get("caller")}`,
    output,
    async stop() {
      child.kill("SIGKILL");
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

function configOf(
  bundle: string,
  bindings: Record<string, string>,
  { entry, cache, lists, figures }: Bindings,
  caller: string | undefined,
): string {
  const texts = Object.entries(bindings).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  );
  if (lists !== undefined) texts.push('(name = "LISTS", kvNamespace = "lists")');
  if (figures !== undefined) texts.push('(name = "FIGURES", analyticsEngine = "figures")');
  const modules = [
    module("keylane", `embed ${JSON.stringify(`/${basename(bundle)}`)}`),
    ...textsBeside(bundle).map((name) => text(name, `embed ${JSON.stringify(`/${name}`)}`)),
  ];
  // The first module is the Worker.
  if (entry !== undefined) modules.unshift(module("entry", JSON.stringify(entry)));
  const services = [worker("main", modules, texts, cache)];
  if (cache !== undefined) services.push(external("cache", cache));
  if (lists !== undefined) services.push(external("lists", lists));
  if (figures !== undefined) services.push(external("figures", figures));
  const sockets = [socket("http", "main")];
  if (caller !== undefined) {
    services.push(
      worker("caller", [module("caller", JSON.stringify(caller))], ['(name = "KEYLANE", service = "main")']),
    );
    sockets.push(socket("caller", "caller"));
  }
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join("\n    ")}
    (name = "network", network = (allow = ["private", "public"])),
  ],
  sockets = [${sockets.join(", ")}],
);
`;
}

/** Names the files that a bundle imports as texts: wrangler lays them beside it. */
export function textsBeside(bundle: string): string[] {
  return readdirSync(dirname(bundle)).filter((name) => /^[0-9a-f]{40}-.*\.(?:html|css|js)$/.test(name));
}

function text(name: string, source: string): string {
  return `(name = "${name}", text = ${source})`;
}

function module(name: string, source: string): string {
  return `(name = "${name}", esModule = ${source})`;
}

function worker(name: string, modules: readonly string[], bindings: readonly string[], cache?: string): string {
  return `(name = "${name}", worker = (
      modules = [${modules.join(", ")}],
      bindings = [${bindings.join(", ")}],
      compatibilityDate = "2026-10-20",
      compatibilityFlags = ["enable_request_signal"],
      globalOutbound = "network",${cache === undefined ? "" : '\n      cacheApiOutbound = "cache",'}
    )),`;
}

function external(name: string, address: string): string {
  return `(name = "${name}", external = (address = "${address}", http = ())),`;
}

function socket(name: string, service: string): string {
  return `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${service}")`;
}

// The package's own entry knows where the binary of this platform is.
function binary(): string {
  const require = createRequire(import.meta.url);
  const found: unknown = require("workerd");
  if (typeof found === "object" && found !== null && "default" in found) return String(found.default);
  throw new Error("The package workerd names no binary");
}
