import { readFileSync } from "node:fs";
import { inject, onTestFinished } from "vitest";
import { startKeylane } from "../support/keylane.ts";
import { startNanoGpt, type NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS } from "../support/setup.ts";
import { startWorkerd } from "../support/worker/workerd.ts";

/** What a user types into a tool, before `/v1`, and the stand-in behind it. */
export interface Served {
  readonly nano: NanoGpt;
  readonly url: string;
}

export type Where = "node" | "worker";
export const KEYLANES: readonly Where[] = ["node", "worker"];

/** Starts Keylane on Node or the deployed Worker, before a stand-in, and stops both when the test ends. */
export async function served(where: Where): Promise<Served> {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  const settings = { UPSTREAM_URL: nano.url };
  const started = where === "node" ? startKeylane(settings) : startWorkerd(inject("deployedWorker"), settings);
  const keylane = await started;
  onTestFinished(async () => {
    await keylane.stop();
    await nano.stop();
  });
  return { nano, url: keylane.url };
}

/** A model of Alice's whose id holds a slash, upper case and a colon. */
export const MODEL = "NousResearch/Hermes-4-70B:thinking";
export const VISIBLE: readonly string[] = [...(ACCOUNTS[0]?.visible ?? [])].sort();
export const PROMPT = "tell me";
/** What the stand-in says to the prompt. */
export const REPLY = "You said “tell me” – grüße from the stand-in 🛰️.";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** Is the README's code block of a language, with another base URL in it. */
export function snippet(language: string, base: string): string {
  const [, text = ""] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(readme) ?? [];
  return text.replace("http://127.0.0.1:8787/v1", base);
}
