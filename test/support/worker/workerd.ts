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
  /** URL of the client Worker, if there is one. */
  readonly clientUrl: string;
  /** What the Worker has written to its console, in pieces. */
  readonly output: string[];
  stop(): Promise<void>;
}

export interface WorkerdOptions {
  /** File of a second Worker, TypeScript without imports, whose service binding KEYLANE is the first. */
  readonly client?: string;
  /** JavaScript that replaces the bundle as the Worker, and can import it as "keylane". */
  readonly entry?: string | undefined;
  /** Address of the Cache API's backend. */
  readonly cache?: string | undefined;
  /** Address of the backend of a KV namespace that is bound as LISTS. */
  readonly lists?: string | undefined;
  /** Address of the backend of an Analytics Engine dataset that is bound as FIGURES. */
  readonly dataset?: string | undefined;
}

/**
 * Starts a bundle in workerd itself on a free port, without a development server, which would encode bodies and rewrite
 * targets. `bindings` become text bindings.
 */
export async function startWorkerd(
  bundle: string,
  bindings: Record<string, string> = {},
  options: WorkerdOptions = {},
): Promise<Workerd> {
  const { client } = options;
  const folder = await mkdtemp(join(tmpdir(), "keylane-workerd-"));
  const config = join(folder, "config.capnp");
  const clientScript = client && stripTypeScriptTypes(await readFile(client, "utf8"));
  await writeFile(config, configOf(bundle, bindings, options, clientScript));
  const args = ["serve", "--control-fd=3", `--import-path=${dirname(bundle)}`, config];
  // workerd's Analytics Engine is experimental.
  if (options.dataset !== undefined) args.push("--experimental");
  const child = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data: Buffer) => output.push(data.toString()));
  }
  const exited = once(child, "exit");
  const control = child.stdio[3];
  if (!(control instanceof Readable)) throw new Error("workerd has no control pipe");
  const ports = new Map<string, number>();
  const listening = (async () => {
    // workerd writes one JSON line per socket when it listens.
    for await (const line of createInterface(control)) {
      const { socket, port } = JSON.parse(line) as { socket: string; port: number };
      ports.set(socket, port);
      if (ports.has("http") && (client === undefined || ports.has("client"))) return;
    }
    throw new Error(`workerd did not start: ${output.join("")}`);
  })();
  await Promise.race([
    listening,
    exited.then(() => Promise.reject(new Error(`workerd did not start: ${output.join("")}`))),
  ]);
  return {
    url: `http://127.0.0.1:${ports.get("http")}`,
    clientUrl: `http://127.0.0.1:${ports.get("client")}`,
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
  { entry, cache, lists, dataset }: WorkerdOptions,
  client: string | undefined,
): string {
  const bound = Object.entries(bindings).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  );
  if (lists !== undefined) bound.push('(name = "LISTS", kvNamespace = "lists")');
  if (dataset !== undefined) bound.push('(name = "FIGURES", analyticsEngine = "dataset")');
  const modules = [
    module("keylane", `embed ${JSON.stringify(`/${basename(bundle)}`)}`),
    ...bundledTexts(bundle).map((name) => text(name, `embed ${JSON.stringify(`/${name}`)}`)),
  ];
  // The first module is the Worker.
  if (entry !== undefined) modules.unshift(module("entry", JSON.stringify(entry)));
  const services = [worker("main", modules, bound, cache)];
  if (cache !== undefined) services.push(external("cache", cache));
  if (lists !== undefined) services.push(external("lists", lists));
  if (dataset !== undefined) services.push(external("dataset", dataset));
  const sockets = [socket("http", "main")];
  if (client !== undefined) {
    services.push(
      worker("client", [module("client", JSON.stringify(client))], ['(name = "KEYLANE", service = "main")']),
    );
    sockets.push(socket("client", "client"));
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

/** Names of the files that a bundle imports as text; wrangler puts them next to it. */
export function bundledTexts(bundle: string): string[] {
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

// The package exports the path of the binary for this platform.
function binary(): string {
  const require = createRequire(import.meta.url);
  const path: unknown = require("workerd");
  if (typeof path === "object" && path !== null && "default" in path) return String(path.default);
  throw new Error("The package workerd exports no binary");
}
