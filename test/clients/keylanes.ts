import { readFileSync } from "node:fs";
import { inject, onTestFinished } from "vitest";
import { startKeylane } from "../support/keylane.ts";
import { startNanoGpt, type NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS } from "../support/setup.ts";
import { startWorkerd } from "../support/worker/workerd.ts";

/** A running Keylane and the NanoGPT stand-in behind it. */
export interface Started {
  readonly nano: NanoGpt;
  /** Without a path: tools take a base URL below it. */
  readonly url: string;
}

export type Runtime = "node" | "worker";
export const RUNTIMES: readonly Runtime[] = ["node", "worker"];

/** Starts Keylane in front of a stand-in, on Node or as the deployed Worker, and stops both when the test ends. */
export async function startOn(runtime: Runtime): Promise<Started> {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  const settings = { UPSTREAM_URL: nano.url };
  const starting = runtime === "node" ? startKeylane(settings) : startWorkerd(inject("deployedWorker"), settings);
  const keylane = await starting;
  onTestFinished(async () => {
    await keylane.stop();
    await nano.stop();
  });
  return { nano, url: keylane.url };
}

/** A model of Alice's whose id contains a slash, upper case and a colon. */
export const MODEL = "NousResearch/Hermes-4-70B:thinking";
export const VISIBLE: readonly string[] = [...(ACCOUNTS[0]?.visible ?? [])].sort();
export const PROMPT = "tell me";
/** The stand-in's reply to the prompt. */
export const REPLY = "You said “tell me” – grüße from the stand-in 🛰️.";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** The README's code block of a language, with its base URL replaced by `base`. */
export function readmeSnippet(language: string, base: string): string {
  const [, text = ""] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(readme) ?? [];
  return text.replace("http://127.0.0.1:8787/v1", base);
}
