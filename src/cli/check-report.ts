import type { JsonObject } from "../http/json.ts";
import { BASIC_FIELDS } from "../models/model-list.ts";
import { prefixOf, type BaseUrl } from "./address.ts";
import type { Probe, Probes } from "./check-requests.ts";

/** The result of a check; `--json` prints it unchanged. */
export interface CheckReport {
  readonly url: string;
  readonly isGood: boolean;
  /** One sentence per problem, with advice. */
  readonly problems: readonly string[];
  readonly server: "keylane" | "other" | "unknown";
  readonly key: "accepted" | "refused" | "unknown";
  readonly models?: number;
  readonly shape?: "basic" | "detailed" | "openrouter";
  readonly answers: readonly ReportedAnswer[];
  /** By tool; empty where the server is not Keylane. */
  readonly baseUrls: Readonly<Record<string, string>>;
}

export interface ReportedAnswer {
  readonly cache: "HIT" | "MISS" | "none";
  readonly ms: number;
  readonly cacheStatus?: string;
}

export function createReport({ origin, base }: BaseUrl, { first, second, personalized }: Probes): CheckReport {
  const url = origin + base;
  const nothing = {
    url,
    isGood: false,
    server: "unknown",
    key: "unknown",
    answers: [],
    baseUrls: {},
  } as const;
  if ("failure" in first) {
    const message = `Nothing answers at ${url} (${first.failure}): start Keylane there, or name its address with --url.`;
    return { ...nothing, problems: [message] };
  }
  const { rows } = first;
  if (rows === undefined || personalized === undefined) {
    return { ...nothing, key: keyState(first), problems: [listProblem(first, url)], answers: [reportedAnswer(first)] };
  }
  const isKeylane = first.cacheStatus !== undefined;
  const problems = [
    ...(personalized.rows === undefined ? [listProblem(personalized, url)] : []),
    ...(rows.length === 0 ? ["The list is empty: make models visible in this NanoGPT account's settings."] : []),
    ...(second === undefined ? [] : cacheProblems(second)),
  ];
  return {
    url,
    isGood: problems.length === 0,
    problems,
    server: isKeylane ? "keylane" : "other",
    key: keyState(personalized),
    models: rows.length,
    ...(rows.length === 0 ? {} : { shape: shapeOf(rows) }),
    answers: [first, ...(second === undefined ? [] : [second])].map(reportedAnswer),
    baseUrls: isKeylane ? baseUrls(origin + prefixOf(base)) : {},
  };
}

/** The base URL for each tool of the README's table. */
function baseUrls(root: string): Readonly<Record<string, string>> {
  return {
    "OpenAI SDK, LibreChat, Open WebUI, SillyTavern, Cline": `${root}/v1`,
    "Roo Code": `${root}/api/v1thinking`,
    "Kilo Code": `${root}/detailed/v1`,
    "Claude Code": root,
  };
}

function keyState({ status, rows }: Probe): CheckReport["key"] {
  if (rows !== undefined) return "accepted";
  return status === 401 || status === 403 ? "refused" : "unknown";
}

function listProblem({ status, message }: Probe, url: string): string {
  if (status === 401) {
    return `The key is refused: make one at https://nano-gpt.com/api, and set NANOGPT_API_KEY to it. ${message === undefined ? "" : `The answer was: ${message}`}`;
  }
  if (status === 200) return `${url}/models is no model list: name Keylane's address with --url.`;
  const advice = message === undefined ? "name Keylane's or NanoGPT's address with --url." : "";
  return `${url}/models answered ${status}: ${advice}${message ?? ""}`;
}

function cacheProblems({ cacheStatus = "" }: Probe): readonly string[] {
  if (cacheStatus.includes("detail=upstream-failed")) {
    return ["NanoGPT did not give the list just now, so the stored one was served: look into Keylane's log."];
  }
  if (isHit(cacheStatus)) return [];
  return ["The second answer was not from the cache: try again, and look at MAX_AGE if this stays."];
}

function reportedAnswer({ cacheStatus, ms }: Probe): ReportedAnswer {
  const rounded = Math.round(ms * 10) / 10;
  if (cacheStatus === undefined) return { cache: "none", ms: rounded };
  return { cache: isHit(cacheStatus) ? "HIT" : "MISS", ms: rounded, cacheStatus };
}

function isHit(cacheStatus: string): boolean {
  return /^keylane; hit\b/.test(cacheStatus);
}

function shapeOf(rows: readonly JsonObject[]): "basic" | "detailed" | "openrouter" {
  if (rows.every((row) => Object.keys(row).every((name) => BASIC_FIELDS.includes(name)))) return "basic";
  return rows.some((row) => "top_provider" in row || "supported_parameters" in row) ? "openrouter" : "detailed";
}
