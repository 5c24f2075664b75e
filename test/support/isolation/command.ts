import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished } from "vitest";
import { isolation } from "../../../tools/isolation/isolation.ts";
import { startKeylane } from "../keylane.ts";
import { startNanoGpt, type Account, type NanoGpt } from "../nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE, BOB } from "../setup.ts";
import { GOOD, startGateway, type Behaviour } from "./gateway.ts";

export const KEYS: Record<string, string> = { KEY_A: ALICE, KEY_B: BOB };
const ENTRY = new URL("../../../tools/isolation/isolation.ts", import.meta.url).pathname;

/** How a run of the checks ended, and what it said. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in a process of its own, as npm does. */
export async function command(args: readonly string[], environment: Record<string, string> = KEYS): Promise<Outcome> {
  const env = { PATH: process.env["PATH"], ...environment };
  const child = spawn(process.execPath, [ENTRY, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (said.err += data.toString()));
  const [code] = await once(child, "close");
  return secretive({ code: Number(code), ...said });
}

/** Runs it in this process: the same but for a start. */
export async function runCheck(args: readonly string[], environment: Record<string, string> = KEYS): Promise<Outcome> {
  const said = { out: "", err: "" };
  const code = await isolation(
    args,
    environment,
    (text) => (said.out += text),
    (text) => (said.err += text),
  );
  return secretive({ code, ...said });
}

// Whatever it says, it never says a key, nor a model.
function secretive(outcome: Outcome): Outcome {
  for (const secret of [ALICE, BOB, ALICE.slice(-5), "gpt-4-turbo", "ermes"]) {
    expect(outcome.out + outcome.err).not.toContain(secret);
  }
  return outcome;
}

/** The lines of the checks that failed. */
export function failedOf({ out }: Outcome): string[] {
  return out.split("\n").filter((line) => line.startsWith("FAILED"));
}

async function nanoGpt(accounts: readonly Account[] = ACCOUNTS): Promise<NanoGpt> {
  const nano = await startNanoGpt({ accounts });
  onTestFinished(() => nano.stop());
  return nano;
}

/** Starts Keylane before a stand-in. */
export async function keylaneBefore(
  accounts: readonly Account[] = ACCOUNTS,
  settings: Record<string, string> = {},
): Promise<{ nano: NanoGpt; url: string }> {
  const nano = await nanoGpt(accounts);
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  onTestFinished(() => keylane.stop());
  return { nano, url: keylane.url };
}

/** Starts another gateway before a stand-in. */
export async function gatewayBefore(
  behaviour: Partial<Behaviour>,
  prefix = "",
  accounts: readonly Account[] = ACCOUNTS,
): Promise<string> {
  const nano = await nanoGpt(accounts);
  nano.delay(2);
  const gateway = await startGateway(nano.url, { ...GOOD, ...behaviour }, prefix);
  onTestFinished(() => gateway.stop());
  return gateway.url;
}
