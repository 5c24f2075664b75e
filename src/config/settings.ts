import { LIST_NAMES, SHAPE_NAMES, type ListName, type ShapeName } from "../http/canonical-path.ts";
import { looksLikeKey } from "../http/credential.ts";
import { LOG_LEVELS, type LogLevel } from "../observability/log.ts";
import {
  duration,
  boolean,
  hosts,
  isLoopback,
  oneOf,
  origins,
  port,
  redisUrl as redis,
  secret,
  size,
  string,
  timeout,
  url,
  type Parser,
  type Invalid,
} from "./parsers.ts";

export type ModelsShape = "requested" | ShapeName;

/** Every setting, validated. Times are milliseconds, sizes bytes. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  /** Neither URL ends with a slash. */
  readonly upstreamUrl: string;
  readonly passthroughUrl: string;
  readonly modelsList: ListName;
  readonly modelsShape: ModelsShape;
  readonly maxAgeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly refusalMaxAgeMs: number;
  readonly listTimeoutMs: number;
  readonly listMaxBytes: number;
  readonly memoryMaxBytes: number;
  readonly redisUrl: string | undefined;
  readonly cacheSecret: string | undefined;
  readonly corsOrigins: "*" | readonly string[];
  readonly allowedHosts: readonly string[] | undefined;
  readonly maxBodyBytes: number;
  /** Node only. */
  readonly compressUploads: boolean;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly passthroughTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly hasConsole: boolean;
  readonly logLevel: LogLevel;
  readonly metrics: boolean;
}

/** Its message names every invalid setting, one per line. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  constructor(problems: readonly string[]) {
    super(problems.length === 1 ? `Cannot start: ${problems[0]}` : ["Cannot start:", ...problems].join("\n  "));
  }
}

/** The source of settings: `process.env`, or the bindings of a Worker. */
export type Environment = Readonly<Record<string, unknown>>;

/** Parses every setting. Throws one SettingsError that names each invalid setting, its value and the expected form. */
export function parseSettings(env: Environment): Settings {
  const problems: string[] = [];
  const read = reader(env, problems);
  const upstreamUrl = read("UPSTREAM_URL", "https://nano-gpt.com/api", url);
  const cacheSecret = read("CACHE_SECRET", undefined, secret);
  const redisUrl = read("REDIS_URL", undefined, redis);
  if (redisUrl !== undefined && (env["CACHE_SECRET"] ?? "") === "") {
    problems.push(
      "CACHE_SECRET must be set where REDIS_URL is, since lists in a shared store are sealed with it: `openssl rand -hex 32` makes one",
    );
  }
  const settings: Settings = {
    host: read("HOST", "127.0.0.1", string),
    port: read("PORT", 8787, port),
    upstreamUrl,
    passthroughUrl: read("PASSTHROUGH_URL", upstreamUrl, url),
    modelsList: read("MODELS_LIST", "personalized", oneOf(LIST_NAMES)),
    modelsShape: read("MODELS_SHAPE", "requested", oneOf(["requested", ...SHAPE_NAMES])),
    maxAgeMs: read("MAX_AGE", 60_000, duration),
    staleWhileRevalidateMs: read("STALE_WHILE_REVALIDATE", 300_000, duration),
    staleIfErrorMs: read("STALE_IF_ERROR", 86_400_000, duration),
    refusalMaxAgeMs: read("REFUSAL_MAX_AGE", 5_000, duration),
    listTimeoutMs: read("LIST_TIMEOUT", 4_000, timeout),
    listMaxBytes: read("LIST_MAX_SIZE", 16 * 2 ** 20, size),
    memoryMaxBytes: read("MEMORY_MAX_SIZE", 64 * 2 ** 20, size),
    redisUrl,
    cacheSecret,
    corsOrigins: read("CORS_ORIGIN", "*", origins, "keep-empty"),
    allowedHosts: read("ALLOWED_HOSTS", undefined, hosts),
    maxBodyBytes: read("MAX_BODY_SIZE", 100 * 2 ** 20, size),
    compressUploads: read("COMPRESS_UPLOADS", false, boolean),
    headersTimeoutMs: read("HEADERS_TIMEOUT", 10_000, timeout),
    requestTimeoutMs: read("REQUEST_TIMEOUT", 300_000, timeout),
    passthroughTimeoutMs: read("PASSTHROUGH_TIMEOUT", 900_000, timeout),
    drainTimeoutMs: read("DRAIN_TIMEOUT", 30_000, timeout),
    hasConsole: read("CONSOLE", true, boolean),
    logLevel: read("LOG_LEVEL", "info", oneOf(LOG_LEVELS)),
    metrics: read("METRICS", true, boolean),
  };
  for (const name of ["upstreamUrl", "passthroughUrl"] as const) {
    if (isOwnAddress(settings[name], settings))
      problems.push(`${SETTING_OF[name]} must be NanoGPT's address, got Keylane's own: ${settings[name]}`);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

const SETTING_OF = { upstreamUrl: "UPSTREAM_URL", passthroughUrl: "PASSTHROUGH_URL" } as const;

// Keylane would send every request to itself without end.
function isOwnAddress(address: string, { host, port }: Pick<Settings, "host" | "port">): boolean {
  const { hostname, port: upstreamPort, protocol } = new URL(address);
  const isThisHost = hostname === host || isLoopback(hostname);
  return protocol === "http:" && isThisHost && Number(upstreamPort || 80) === port;
}

function reader(env: Environment, problems: string[]) {
  return <T, D extends T | undefined>(name: string, fallback: D, parse: Parser<T>, empty?: "keep-empty"): T | D => {
    const input = env[name];
    const raw = typeof input === "number" || typeof input === "boolean" ? String(input) : input;
    // Compose passes an unset variable as an empty one.
    if (raw === undefined || (raw === "" && empty === undefined)) return fallback;
    const value = typeof raw === "string" ? parse(raw.trim()) : { expected: "text", isSecret: true };
    if (!isInvalid(value)) return value;
    // A key may be pasted into the wrong setting.
    const isSecret = value.isSecret === true || looksLikeKey(String(input));
    const shown = isSecret ? "a value that is not shown" : JSON.stringify(input);
    problems.push(`${name} must be ${value.expected}, got ${shown}`);
    return fallback;
  };
}

function isInvalid(value: unknown): value is Invalid {
  return typeof value === "object" && value !== null && "expected" in value;
}
