import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished } from "vitest";
import { checkIsolation } from "../../../tools/isolation/isolation.ts";
import { startKeylane } from "../keylane.ts";
import { startNanoGpt, type Account, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE, BOB } from "../setup.ts";
import { GOOD, startGateway, type Behaviour } from "./gateway.ts";

export const KEYS: Record<string, string> = { KEY_A: ALICE, KEY_B: BOB };
const ENTRY = new URL("../../../tools/isolation/isolation.ts", import.meta.url).pathname;

/** The exit code and the output of a run. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in a child process, as npm does. */
export async function spawnCheck(args: readonly string[], env: Record<string, string> = KEYS): Promise<Outcome> {
  const child = spawn(process.execPath, [ENTRY, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => (output.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output.err += data.toString()));
  const [code] = await once(child, "close");
  return withoutSecrets({ code: Number(code), ...output });
}

/** Runs the command in this process, which is faster. */
export async function runCheck(args: readonly string[], env: Record<string, string> = KEYS): Promise<Outcome> {
  const output = { out: "", err: "" };
  const code = await checkIsolation(
    args,
    env,
    (text) => (output.out += text),
    (text) => (output.err += text),
  );
  return withoutSecrets({ code, ...output });
}

// No run may print a key or a model id.
function withoutSecrets(outcome: Outcome): Outcome {
  for (const secret of [ALICE, BOB, ALICE.slice(-5), "gpt-4-turbo", "ermes"]) {
    expect(outcome.out + outcome.err).not.toContain(secret);
  }
  return outcome;
}

/** The lines of the checks that failed. */
export function failedLines({ out }: Outcome): string[] {
  return out.split("\n").filter((line) => line.startsWith("FAILED"));
}

async function startStandIn(accounts: readonly Account[] = ACCOUNTS): Promise<NanoGpt> {
  const nano = await startNanoGpt({ accounts });
  onTestFinished(() => nano.stop());
  return nano;
}

/** Starts a NanoGPT stand-in and a Keylane in front of it; both stop when the test ends. */
export async function keylaneWithStandIn(
  accounts: readonly Account[] = ACCOUNTS,
  settings: Record<string, string> = {},
): Promise<{ nano: NanoGpt; url: string }> {
  const nano = await startStandIn(accounts);
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  onTestFinished(() => keylane.stop());
  return { nano, url: keylane.url };
}

/** Starts a NanoGPT stand-in and another gateway in front of it; both stop when the test ends. */
export async function gatewayWithStandIn(
  behaviour: Partial<Behaviour>,
  prefix = "",
  accounts: readonly Account[] = ACCOUNTS,
): Promise<string> {
  const nano = await startStandIn(accounts);
  nano.delay(2);
  const gateway = await startGateway(nano.url, { ...GOOD, ...behaviour }, prefix);
  onTestFinished(() => gateway.stop());
  return gateway.url;
}
