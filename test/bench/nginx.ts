import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { kernelCpuMicros, spawnPinned, kill, type Server, type OnCleanup } from "./processes.ts";

/** Common configurations: `on-the-fly` compresses each response, `stored` caches upstream's gzip, `pass` only proxies. */
export type Recipe = "on-the-fly" | "stored" | "pass";

const isInstalled = spawnSync("nginx", ["-v"]).status === 0;

/** Starts nginx as one process, with all its files in `folder`; undefined where it is not installed. */
export async function nginx(
  recipe: Recipe,
  upstream: string,
  folder: string,
  onCleanup: OnCleanup,
): Promise<Server | undefined> {
  if (!isInstalled) return undefined;
  const [port, nginxFolder] = [await freePort(), join(folder, `nginx-${recipe}-${process.pid}`)];
  await mkdir(nginxFolder, { recursive: true });
  const file = join(nginxFolder, "nginx.conf");
  await writeFile(file, configuration(recipe, upstream, port, nginxFolder));
  const child = spawnPinned(
    "nginx",
    ["-p", nginxFolder, "-e", join(nginxFolder, "error.log"), "-c", file],
    process.env,
  );
  let stderr = "";
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  onCleanup(() => kill(child));
  while (!(await isOpen(port))) {
    if (child.exitCode !== null) throw new Error(`nginx did not start: ${stderr}`);
    await sleep(20);
  }
  return { url: `http://127.0.0.1:${port}`, child, cpuMicros: () => kernelCpuMicros(child.pid) };
}

const CACHED = `
      proxy_cache lists;
      proxy_cache_key "$http_authorization $request_uri";
      proxy_cache_valid 200 1h;
      proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
      proxy_hide_header Set-Cookie;`;
const RECIPES: Readonly<Record<Recipe, string>> = {
  "on-the-fly": `${CACHED}
      proxy_set_header Accept-Encoding "";
      gzip on;
      gzip_proxied any;
      gzip_types application/json;`,
  stored: `${CACHED}
      proxy_set_header Accept-Encoding gzip;`,
  pass: `
      proxy_buffering off;
      proxy_request_buffering off;
      client_max_body_size 100m;`,
};

function configuration(recipe: Recipe, upstream: string, port: number, folder: string): string {
  const { host } = new URL(upstream);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  proxy_cache_path ${folder}/cache keys_zone=lists:10m;
  upstream standin { server ${host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://standin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";${RECIPES[recipe]}
    }
  }
}
`;
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((isUp) => {
    socket.destroy();
    return isUp === true;
  });
}
