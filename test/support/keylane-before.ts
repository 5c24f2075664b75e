import { onTestFinished } from "vitest";
import { startKeylane } from "./keylane.ts";
import { startNanoGpt, type NanoGpt } from "./nanogpt/nanogpt.ts";
import { ACCOUNTS } from "./scene.ts";

/** Starts a stand-in and Keylane before it, for a program that is to ask it; both stop when the test ends. */
export async function keylaneBefore(
  settings: Record<string, string> = {},
): Promise<{ nano: NanoGpt; url: string }> {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  onTestFinished(() => keylane.stop());
  return { nano, url: keylane.url };
}
