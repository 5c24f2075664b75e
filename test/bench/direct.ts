import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { waitForOutput } from "./wait-for-output.ts";

// A client with Keylane in one network namespace, NanoGPT's stand-in 40 ms away over TLS in another. Measures the model list
// and the first token of a streamed chat, also with a long history at 10 Mbit/s, through Keylane and direct. A cold client
// connects for each call; a warm one keeps its connection. Read the column of round trips. DNS is not used here, which a
// cold direct call needs as well. Needs root, ip and openssl.

const DELAY_MS = 40;
const HISTORY_BYTES = 400_000;
const KEY = "key-for-the-bench";
const [CLIENT_NETNS, REMOTE_NETNS] = [`kl-client-${process.pid}`, `kl-remote-${process.pid}`];
const REMOTE_ADDRESS = "10.77.0.2";

const reason = missingRequirement();
if (reason !== undefined) {
  console.log(`Skipped: ${reason}`);
  process.exit();
}
const certificate = await makeCertificate(REMOTE_ADDRESS);
const children: ChildProcess[] = [];
try {
  const taps = [createNamespace(CLIENT_NETNS, "10.77.0.1"), createNamespace(REMOTE_NETNS, REMOTE_ADDRESS)] as const;
  const remoteArgs = [certificate.path, join(dirname(certificate.path), "key.pem"), KEY];
  await waitForOutput(spawnIn(REMOTE_NETNS, ["test/bench/direct/remote.ts", ...remoteArgs]).stdout, /listens/);
  const baseUrls = [await keylane(8787, "false"), await keylane(8788, "true")];
  await compare("unlimited bandwidth", taps, baseUrls, 1e9, 0);
  await compare("10 Mbit/s, a history of 400 kB", taps, baseUrls, 1e7, HISTORY_BYTES);
} finally {
  for (const child of children) child.kill("SIGKILL");
  for (const name of [CLIENT_NETNS, REMOTE_NETNS]) {
    // A namespace and its devices exist until its last process has exited.
    spawnSync("ip", ["link", "del", deviceOf(name, "out")]);
    spawnSync("ip", ["netns", "del", name]);
  }
  await certificate.remove();
}

async function compare(
  title: string,
  taps: readonly [string, string],
  baseUrls: readonly string[],
  bitsPerSecond: number,
  historyBytes: number,
): Promise<void> {
  const wire = start(process.execPath, ["test/bench/direct/wire.ts", ...taps, `${DELAY_MS}`, `${bitsPerSecond}`]);
  const args = ["test/bench/direct/client.ts", certificate.path, REMOTE_ADDRESS, ...baseUrls, KEY, `${historyBytes}`];
  const times = JSON.parse(await waitForOutput(spawnIn(CLIENT_NETNS, args).stdout, /^(\{.*\})$/m)) as Record<
    string,
    number[]
  >;
  wire.kill("SIGKILL");
  const roundTrip = median(times["round trip"] ?? []);
  console.log(`\n${title}: a round trip takes ${roundTrip.toFixed(1)} ms${" ".repeat(12)}ms  round trips`);
  for (const [name, all] of Object.entries(times)) {
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
    UPSTREAM_URL: `https://${REMOTE_ADDRESS}/api`,
    NODE_EXTRA_CA_CERTS: certificate.path,
    COMPRESS_UPLOADS: compressUploads,
    LOG_LEVEL: "silent",
  };
  await waitForOutput(spawnIn(CLIENT_NETNS, ["src/node.ts"], settings).stderr, /base URL to/);
  return `http://127.0.0.1:${port}`;
}

/** Creates a network namespace with an address; gives the tap device that carries its frames. */
function createNamespace(name: string, address: string): string {
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

function missingRequirement(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!hasOpenssl) return "openssl is not installed";
  return spawnSync("ip", ["netns"]).status === 0 ? undefined : "ip (iproute2) is not installed";
}

function spawnIn(name: string, args: string[], env: Record<string, string> = {}) {
  return start("ip", ["netns", "exec", name, process.execPath, ...args], env);
}

function start(command: string, args: string[], env: Record<string, string> = {}) {
  const options = { env: { PATH: process.env["PATH"], ...env } };
  const child = spawn(command, args, options);
  child.stderr.on("data", (data: Buffer) => {
    if (!String(data).match(/Keylane|Lists come/)) process.stderr.write(data);
  });
  children.push(child);
  return child;
}
