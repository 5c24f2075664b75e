import { parseArgs } from "node:util";
import type { Environment } from "../config/settings.ts";
import { parseCredential } from "../http/credential.ts";
import { parseBaseUrl, type BaseUrl } from "./address.ts";
import { createReport, type ReportedAnswer, type CheckReport } from "./check-report.ts";
import { runProbes } from "./check-requests.ts";
import { promptSecret } from "./secret-prompt.ts";
import { unknownArgument, usageError } from "./usage.ts";

const DEFAULT_PORT = "8787";

/** Tries a key at an address and prints what a person wants to know, never the key. Gives the exit code. */
export async function check(args: readonly string[], environment: Environment): Promise<0 | 1 | 2> {
  const asked = parseArguments(args, defaultUrl(environment));
  if (typeof asked === "string") return usageError(asked);
  const { address, isJson } = asked;
  const { NANOGPT_API_KEY: given } = environment;
  const key = (typeof given === "string" ? given.trim() : "") || (await promptForKey());
  if (key === "")
    return usageError("NANOGPT_API_KEY is missing: set it to your NanoGPT key, or run this in a terminal");
  if (!isKey(key)) {
    return usageError(
      "NANOGPT_API_KEY must be a key as NanoGPT gives it: paste it again, without quotes and spaces",
    );
  }
  if (!address.isLoopback && address.origin.startsWith("http:")) process.stderr.write(PLAINTEXT_WARNING);
  const found = createReport(address, await runProbes(address, key));
  process.stdout.write(isJson ? `${JSON.stringify(found, null, 2)}\n` : formatReport(found));
  return found.isGood ? 0 : 1;
}

const PLAINTEXT_WARNING =
  "Note: the key crosses the network readable, because the address is http: use https beyond this machine\n";

function parseArguments(
  words: readonly string[],
  byDefault: string,
): { address: BaseUrl; isJson: boolean } | string {
  try {
    const options = { url: { type: "string" }, json: { type: "boolean" } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const address = parseBaseUrl(values.url ?? byDefault);
    if (address === undefined) {
      return `--url must be an http or https URL without key, user, query or fragment, such as ${byDefault}`;
    }
    return { address: atNanoGpt(address), isJson: values.json === true };
  } catch {
    const stray = words.find((word, i) => word !== "--json" && word !== "--url" && words[i - 1] !== "--url");
    return stray === undefined ? `--url must be an address, such as ${byDefault}` : unknownArgument(stray);
  }
}

// The Keylane that these settings would start on this machine.
function defaultUrl({ PORT: port }: Environment): string {
  return `http://127.0.0.1:${typeof port === "string" && /^\d{1,5}$/.test(port) ? port : DEFAULT_PORT}`;
}

// NanoGPT's own API stands under /api.
function atNanoGpt({ origin, base, isLoopback }: BaseUrl): BaseUrl {
  const isNanoGpt = /^https:\/\/(?:\w+\.)?nano-gpt\.com$/.test(origin);
  return { origin, base: isNanoGpt && !base.startsWith("/api/") ? `/api${base}` : base, isLoopback };
}

async function promptForKey(): Promise<string> {
  return process.stdin.isTTY ? (await promptSecret("NANOGPT_API_KEY")).trim() : "";
}

function isKey(key: string): boolean {
  try {
    return parseCredential(`Bearer ${key}`, null).credential === key;
  } catch {
    return false;
  }
}

const SERVERS = {
  keylane: "Keylane",
  other: "NanoGPT itself, or another server: no Keylane",
  unknown: "unknown",
};

function formatReport(found: CheckReport): string {
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

function answerLine({ cache, ms, cacheStatus }: ReportedAnswer): string {
  const word = cache === "none" ? "" : `${cache.padEnd(4)} `;
  return `${word}${ms} ms${cacheStatus === undefined ? "" : ` (${cacheStatus})`}`;
}

function toolLines({ server, baseUrls }: CheckReport): readonly string[] {
  if (server === "unknown") return [];
  if (server === "other")
    return [`Start Keylane with \`keylane\`: tools then take http://127.0.0.1:${DEFAULT_PORT}/v1`, ""];
  const lines = Object.entries(baseUrls).flatMap(([tools, url]) => [`  ${tools}`, `    ${url}`]);
  return ["Base URLs to paste:", ...lines, ""];
}
