import { parseArgs } from "node:util";
import type { Environment } from "../config/settings.ts";
import { parseCredential } from "../http/credential.ts";
import { parseBaseUrl, type BaseUrl } from "./address.ts";
import { createReport, type ReportedAnswer, type CheckReport } from "./check-report.ts";
import { runProbes } from "./check-requests.ts";
import { promptSecret } from "./secret-prompt.ts";
import { unknownArgument, usageError } from "./usage.ts";

const DEFAULT_PORT = "8787";

/** Checks a key at an address and prints a report without the key. Returns the exit code. */
export async function check(args: readonly string[], env: Environment): Promise<0 | 1 | 2> {
  const parsed = parseArguments(args, defaultUrl(env));
  if (typeof parsed === "string") return usageError(parsed);
  const { address, isJson } = parsed;
  const { NANOGPT_API_KEY: fromEnv } = env;
  const key = (typeof fromEnv === "string" ? fromEnv.trim() : "") || (await promptForKey());
  if (key === "")
    return usageError("NANOGPT_API_KEY is missing: set it to your NanoGPT key, or run this in a terminal");
  if (!isKey(key)) {
    return usageError("NANOGPT_API_KEY must be a key as NanoGPT gives it: paste it again, without quotes and spaces");
  }
  if (!address.isLoopback && address.origin.startsWith("http:")) process.stderr.write(PLAINTEXT_WARNING);
  const report = createReport(address, await runProbes(address, key));
  process.stdout.write(isJson ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  return report.isGood ? 0 : 1;
}

const PLAINTEXT_WARNING =
  "Note: the key crosses the network readable, because the address is http: use https beyond this machine\n";

function parseArguments(args: readonly string[], fallbackUrl: string): { address: BaseUrl; isJson: boolean } | string {
  try {
    const options = { url: { type: "string" }, json: { type: "boolean" } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const address = parseBaseUrl(values.url ?? fallbackUrl);
    if (address === undefined) {
      return `--url must be an http or https URL without key, user, query or fragment, such as ${fallbackUrl}`;
    }
    return { address: withApiPrefix(address), isJson: values.json === true };
  } catch {
    const stray = args.find((arg, i) => arg !== "--json" && arg !== "--url" && args[i - 1] !== "--url");
    return stray === undefined ? `--url must be an address, such as ${fallbackUrl}` : unknownArgument(stray);
  }
}

// The URL at which `keylane` would listen with these settings.
function defaultUrl({ PORT: port }: Environment): string {
  return `http://127.0.0.1:${typeof port === "string" && /^\d{1,5}$/.test(port) ? port : DEFAULT_PORT}`;
}

// NanoGPT's own API is under /api.
function withApiPrefix({ origin, base, isLoopback }: BaseUrl): BaseUrl {
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

function formatReport(report: CheckReport): string {
  const { models, shape } = report;
  const lines = [
    `Check of ${report.url}`,
    "",
    `  server   ${SERVERS[report.server]}`,
    `  key      ${report.key}`,
    ...(models === undefined ? [] : [`  models   ${models}${shape === undefined ? "" : `, ${shape} shape`}`]),
    ...report.answers.map((answer, i) => `  answer ${i + 1} ${answerLine(answer)}`),
    "",
    ...toolLines(report),
    ...report.problems.map((problem) => `Wrong: ${problem}`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function answerLine({ cache, ms, cacheStatus }: ReportedAnswer): string {
  const label = cache === "none" ? "" : `${cache.padEnd(4)} `;
  return `${label}${ms} ms${cacheStatus === undefined ? "" : ` (${cacheStatus})`}`;
}

function toolLines({ server, baseUrls }: CheckReport): readonly string[] {
  if (server === "unknown") return [];
  if (server === "other")
    return [`Start Keylane with \`keylane\`: tools then take http://127.0.0.1:${DEFAULT_PORT}/v1`, ""];
  const lines = Object.entries(baseUrls).flatMap(([tools, url]) => [`  ${tools}`, `    ${url}`]);
  return ["Base URLs to paste:", ...lines, ""];
}
