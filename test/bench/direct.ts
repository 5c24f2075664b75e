import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { waitForOutput } from "./wait-for-output.ts";

// Keylane beside its client, and NanoGPT's stand-in 40 ms away over TLS, each in a network namespace: the model list, the
// first token of a streamed chat, and that of a chat with a long history at 10 Mbit/s, by Keylane and direct. A cold
// client connects for each call, as a program that starts again does; a warm one keeps its connection. Read the round
// trips. There are no names to look up here: a cold direct call pays for that besides. Needs root, ip and openssl.

const DELAY_MS = 40;
const HISTORY_BYTES = 400_000;
const KEY = "key-for-the-bench";
const [NEAR, FAR] = [`kl-near-${process.pid}`, `kl-far-${process.pid}`];
const FAR_ADDRESS = "10.77.0.2";

const reason = missing();
if (reason !== undefined) {
  console.log(`Skipped: ${reason}`);
  process.exit();
}
const certificate = await makeCertificate(FAR_ADDRESS);
const children: ChildProcess[] = [];
try {
  const taps = [end(NEAR, "10.77.0.1"), end(FAR, FAR_ADDRESS)] as const;
  const far = [certificate.path, join(dirname(certificate.path), "key.pem"), KEY];
  await waitForOutput(within(FAR, ["test/bench/direct/remote.ts", ...far]).stdout, /listens/);
  const roads = [await keylane(8787, "false"), await keylane(8788, "true")];
  await compare("no limit of bandwidth", taps, roads, 1e9, 0);
  await compare("10 Mbit/s, a history of 400 kB", taps, roads, 1e7, HISTORY_BYTES);
} finally {
  for (const child of children) child.kill("SIGKILL");
  for (const name of [NEAR, FAR]) {
    // A namespace lives until its last process has ended, and its devices with it.
    spawnSync("ip", ["link", "del", deviceOf(name, "out")]);
    spawnSync("ip", ["netns", "del", name]);
  }
  await certificate.remove();
}

async function compare(
  what: string,
  taps: readonly [string, string],
  roads: readonly string[],
  bitsPerSecond: number,
  historyBytes: number,
): Promise<void> {
  const wire = begun(process.execPath, ["test/bench/direct/wire.ts", ...taps, `${DELAY_MS}`, `${bitsPerSecond}`]);
  const args = ["test/bench/direct/caller.ts", certificate.path, FAR_ADDRESS, ...roads, KEY, `${historyBytes}`];
  const received = JSON.parse(await waitForOutput(within(NEAR, args).stdout, /^(\{.*\})$/m)) as Record<
    string,
    number[]
  >;
  wire.kill("SIGKILL");
  const roundTrip = median(received["round trip"] ?? []);
  console.log(`\n${what}: a round trip takes ${roundTrip.toFixed(1)} ms${" ".repeat(12)}ms  round trips`);
  for (const [name, all] of Object.entries(received)) {
    const ms = median(all);
    console.log(`  ${name.padEnd(48)}${ms.toFixed(1).padStart(10)}${(ms / roundTrip).toFixed(2).padStart(13)}`);
  }
}

function median(all: number[]): number {
  return all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
}

async function keylane(port: number, compressUploads: string): Promise<string> {
  const settings = {
    PORT: `${port}`,
    UPSTREAM_URL: `https://${FAR_ADDRESS}/api`,
    NODE_EXTRA_CA_CERTS: certificate.path,
    COMPRESS_UPLOADS: compressUploads,
    LOG_LEVEL: "silent",
  };
  await waitForOutput(within(NEAR, ["src/node.ts"], settings).stderr, /base URL to/);
  return `http://127.0.0.1:${port}`;
}

/** Makes a namespace with an address, and gives the device at which its frames come out. */
function end(name: string, address: string): string {
  const [inside, outside, tap] = [deviceOf(name, "in"), deviceOf(name, "out"), deviceOf(name, "tap")];
  ip(`netns add ${name}`);
  ip(`link add ${outside} type veth peer name ${inside} netns ${name}`);
  ip(`link add link ${outside} name ${tap} type macvtap mode passthru`);
  for (const device of [outside, tap]) ip(`link set ${device} up`);
  ip(`-n ${name} addr add ${address}/24 dev ${inside}`);
  for (const device of ["lo", inside]) ip(`-n ${name} link set ${device} up`);
  const { ifindex } = (JSON.parse(ip(`-j link show ${tap}`)) as { ifindex: number }[])[0] ?? { ifindex: 0 };
  return `/dev/tap${ifindex}`;
}

function deviceOf(name: string, kind: string): string {
  return `${name.slice(3, 4)}${process.pid}${kind}`;
}

function ip(args: string): string {
  const { status, stdout, stderr } = spawnSync("ip", args.split(" "));
  if (status !== 0) throw new Error(`ip ${args}: ${String(stderr)}`);
  return String(stdout);
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!hasOpenssl) return "openssl is not installed here";
  return spawnSync("ip", ["netns"]).status === 0 ? undefined : "ip (iproute2) is not installed here";
}

function within(name: string, args: string[], env: Record<string, string> = {}) {
  return begun("ip", ["netns", "exec", name, process.execPath, ...args], env);
}

function begun(command: string, args: string[], env: Record<string, string> = {}) {
  const options = { env: { PATH: process.env["PATH"], ...env } };
  const child = spawn(command, args, options);
  child.stderr.on("data", (data: Buffer) => {
    if (!String(data).match(/Keylane|Lists come/)) process.stderr.write(data);
  });
  children.push(child);
  return child;
}
