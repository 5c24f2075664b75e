import { parseArgs } from "node:util";
import type { Source } from "../config/settings.ts";
import { identify } from "../http/credential.ts";
import { addressOf, type Address } from "./address.ts";
import { findings, type Answer, type Findings } from "./check-report.ts";
import { inspect } from "./check-requests.ts";
import { typed } from "./secret-prompt.ts";
import { unknown, usage } from "./usage.ts";

const DEFAULT_PORT = "8787";

/** Tries a key at an address and prints what a person wants to know, never the key. Gives the exit code. */
export async function check(words: readonly string[], environment: Source): Promise<0 | 1 | 2> {
  const asked = invocation(words, here(environment));
  if (typeof asked === "string") return usage(asked);
  const { address, isJson } = asked;
  const { NANOGPT_API_KEY: given } = environment;
  const key = (typeof given === "string" ? given.trim() : "") || (await prompted());
  if (key === "")
    return usage("NANOGPT_API_KEY is missing: set it to your NanoGPT key, or run this in a terminal");
  if (!isKey(key)) {
    return usage(
      "NANOGPT_API_KEY must be a key as NanoGPT gives it: paste it again, without quotes and spaces",
    );
  }
  if (!address.isHere && address.origin.startsWith("http:")) process.stderr.write(READABLE);
  const found = findings(address, await inspect(address, key));
  process.stdout.write(isJson ? `${JSON.stringify(found, null, 2)}\n` : text(found));
  return found.isGood ? 0 : 1;
}

const READABLE =
  "Note: the key crosses the network readable, because the address is http: use https beyond this machine\n";

function invocation(
  words: readonly string[],
  byDefault: string,
): { address: Address; isJson: boolean } | string {
  try {
    const options = { url: { type: "string" }, json: { type: "boolean" } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const address = addressOf(values.url ?? byDefault);
    if (address === undefined) {
      return `--url must be an http or https URL without key, user, query or fragment, such as ${byDefault}`;
    }
    return { address: atNanoGpt(address), isJson: values.json === true };
  } catch {
    const stray = words.find((word, i) => word !== "--json" && word !== "--url" && words[i - 1] !== "--url");
    return stray === undefined ? `--url must be an address, such as ${byDefault}` : unknown(stray);
  }
}

// The Keylane that these settings would start on this machine.
function here({ PORT: port }: Source): string {
  return `http://127.0.0.1:${typeof port === "string" && /^\d{1,5}$/.test(port) ? port : DEFAULT_PORT}`;
}

// NanoGPT's own API stands under /api.
function atNanoGpt({ origin, base, isHere }: Address): Address {
  const isNanoGpt = /^https:\/\/(?:\w+\.)?nano-gpt\.com$/.test(origin);
  return { origin, base: isNanoGpt && !base.startsWith("/api/") ? `/api${base}` : base, isHere };
}

async function prompted(): Promise<string> {
  return process.stdin.isTTY ? (await typed("NANOGPT_API_KEY")).trim() : "";
}

function isKey(key: string): boolean {
  try {
    return identify(`Bearer ${key}`, null).credential === key;
  } catch {
    return false;
  }
}

const SERVERS = {
  keylane: "Keylane",
  other: "NanoGPT itself, or another server: no Keylane",
  unknown: "unknown",
};

function text(found: Findings): string {
  const { models, shape } = found;
  const lines = [
    `Check of ${found.url}`,
    "",
    `  server   ${SERVERS[found.server]}`,
    `  key      ${found.key}`,
    ...(models === undefined ? [] : [`  models   ${models}${shape === undefined ? "" : `, ${shape} shape`}`]),
    ...found.answers.map((answer, i) => `  answer ${i + 1} ${answerLine(answer)}`),
    "",
    ...toolLines(found),
    ...found.problems.map((problem) => `Wrong: ${problem}`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function answerLine({ cache, ms, cacheStatus }: Answer): string {
  const word = cache === "none" ? "" : `${cache.padEnd(4)} `;
  return `${word}${ms} ms${cacheStatus === undefined ? "" : ` (${cacheStatus})`}`;
}

function toolLines({ server, baseUrls }: Findings): readonly string[] {
  if (server === "unknown") return [];
  if (server === "other")
    return [`Start Keylane with \`keylane\`: tools then take http://127.0.0.1:${DEFAULT_PORT}/v1`, ""];
  const lines = Object.entries(baseUrls).flatMap(([tools, url]) => [`  ${tools}`, `    ${url}`]);
  return ["Base URLs to paste:", ...lines, ""];
}
