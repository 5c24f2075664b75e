// Each setting: its default, accepted values and their meaning, rejected values.
import { describe, expect, test } from "vitest";
import { parseSettings, SettingsError, type Settings } from "../../src/config/settings.ts";

const GB = 2 ** 30;
const DAY = 86_400_000;
// Name, field, default, pairs of text and parsed value, rejected values.
type Row = readonly [string, keyof Settings, unknown, readonly (readonly [unknown, unknown])[], readonly unknown[]];
const DURATIONS = [
  ["500ms", 500],
  ["60s", 60_000],
  ["10m", 600_000],
  ["24h", DAY],
  ["7", 7000],
  ["1.5h", 5_400_000],
  [3, 3000],
  ["2d", 2 * DAY],
  [" 5s ", 5000],
] as const;
const INVALID_DURATIONS = [..."1 minute|-5s|5 s|60S|1e3|s|366d|5w|NaN|Infinity|5s5s".split("|"), true, {}];
const duration = (name: string, field: keyof Settings, byDefault: number): Row => [
  name,
  field,
  byDefault,
  [...DURATIONS, ["0", 0]],
  INVALID_DURATIONS,
];
const timeout = (name: string, field: keyof Settings, byDefault: number): Row => [
  name,
  field,
  byDefault,
  DURATIONS,
  [...INVALID_DURATIONS, "0", "0s", "25d"],
];
const size = (name: string, field: keyof Settings, byDefault: number): Row => [
  name,
  field,
  byDefault,
  [
    ["512KB", 524_288],
    ["64MB", 64 * 2 ** 20],
    ["1gb", GB],
    ["1.5mb", 1_572_864],
    ["1000", 1000],
    [5, 5],
    ["7b", 7],
  ],
  ["0", "-1", "64 MB", "64 apples", "1TB", "MB", "0x10", false],
];
const oneOf = (name: string, field: keyof Settings, byDefault: string, names: string): Row => [
  name,
  field,
  byDefault,
  names.split(" ").map((value) => [value, value] as const),
  [names, byDefault.toUpperCase(), "x", 0],
];
const boolean = (name: string, field: keyof Settings, byDefault: boolean): Row => [
  name,
  field,
  byDefault,
  [true, false].flatMap((value) => [[value, value] as const, [String(value), value] as const]),
  ["yes", "1", "TRUE", "off", 1, {}],
];
const url = (name: string, field: keyof Settings): Row => [
  name,
  field,
  "https://nano-gpt.com/api",
  [
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["https://x.example/api//", "https://x.example/api"],
    ["https://X.example/a/b", "https://x.example/a/b"],
  ],
  [
    "nano-gpt.com/api",
    "ftp://x.example",
    "https://",
    "https://x.example/?a=1",
    "https://x.example/#a",
    "https://x.example/api?",
    "https://x.example/api#",
    "https://u:p@x.example",
    "//x.example",
    5,
  ],
];

const ROWS: readonly Row[] = [
  [
    "HOST",
    "host",
    "127.0.0.1",
    [
      ["0.0.0.0", "0.0.0.0"],
      ["::1", "::1"],
    ],
    [{}],
  ],
  [
    "PORT",
    "port",
    8787,
    [
      ["0", 0],
      [80, 80],
      ["65535", 65_535],
    ],
    ["65536", "-1", "http", "80.5", "0x50", {}],
  ],
  url("UPSTREAM_URL", "upstreamUrl"),
  url("PASSTHROUGH_URL", "passthroughUrl"),
  oneOf("MODELS_LIST", "modelsList", "personalized", "personalized canonical subscription paid"),
  oneOf("MODELS_SHAPE", "modelsShape", "requested", "requested basic detailed openrouter"),
  duration("MAX_AGE", "maxAgeMs", 60_000),
  duration("STALE_WHILE_REVALIDATE", "staleWhileRevalidateMs", 300_000),
  duration("STALE_IF_ERROR", "staleIfErrorMs", DAY),
  duration("REFUSAL_MAX_AGE", "refusalMaxAgeMs", 5000),
  timeout("LIST_TIMEOUT", "listTimeoutMs", 4000),
  size("LIST_MAX_SIZE", "listMaxBytes", 16 * 2 ** 20),
  size("MEMORY_MAX_SIZE", "memoryMaxBytes", 64 * 2 ** 20),
  ["REDIS_URL", "redisUrl", undefined, [["rediss://u:p@r:6379/1", "rediss://u:p@r:6379/1"]], ["http://r", "r:6379", 5]],
  ["CACHE_SECRET", "cacheSecret", undefined, [["0123456789abcdef", "0123456789abcdef"]], ["0123456789abcde", "x", {}]],
  [
    "CORS_ORIGIN",
    "corsOrigins",
    "*",
    [
      ["*", "*"],
      ["", []],
      ["https://a.example", ["https://a.example"]],
      ["http://localhost:3000 ,https://b.example,", ["http://localhost:3000", "https://b.example"]],
    ],
    ["https://a.example/", "a.example", "*, https://a.example", "null", "https://A.example"],
  ],
  [
    "ALLOWED_HOSTS",
    "allowedHosts",
    undefined,
    [["LocalHost:8787, [::1]", ["localhost:8787", "[::1]"]]],
    ["http://a", "a b", ",", "a:b", "*"],
  ],
  size("MAX_BODY_SIZE", "maxBodyBytes", 100 * 2 ** 20),
  boolean("COMPRESS_UPLOADS", "compressUploads", false),
  timeout("HEADERS_TIMEOUT", "headersTimeoutMs", 10_000),
  timeout("REQUEST_TIMEOUT", "requestTimeoutMs", 300_000),
  timeout("PASSTHROUGH_TIMEOUT", "passthroughTimeoutMs", 900_000),
  timeout("DRAIN_TIMEOUT", "drainTimeoutMs", 30_000),
  boolean("CONSOLE", "hasConsole", true),
  boolean("METRICS", "metrics", true),
  oneOf("LOG_LEVEL", "logLevel", "info", "trace debug info warn error fatal silent"),
];
const SECRET = { CACHE_SECRET: "a secret nobody can guess" };

describe("a setting", () => {
  test.for(ROWS)("%s", ([name, field, byDefault, accepted, rejected]) => {
    expect(parseSettings({})[field]).toEqual(byDefault);
    if (name !== "CORS_ORIGIN") expect(parseSettings({ [name]: "" })[field]).toEqual(byDefault);
    const rest = name === "REDIS_URL" ? SECRET : {};
    for (const [text, value] of accepted) {
      expect([text, parseSettings({ ...rest, [name]: text })[field]]).toEqual([text, value]);
    }
    const wronglyAccepted = rejected.filter((value) => {
      try {
        return parseSettings({ ...rest, [name]: value }) !== undefined;
      } catch (error) {
        return !(error instanceof SettingsError && error.message.startsWith(`Cannot start: ${name} must be `));
      }
    });
    expect(wronglyAccepted).toEqual([]);
  });

  test("has a row above if the program reads it", () => {
    const read = new Set<string>();
    parseSettings(new Proxy({}, { get: (_env, name) => void read.add(String(name)) }));
    expect(ROWS.map(([name]) => name).toSorted()).toEqual([...read].toSorted());
  });

  test("PASSTHROUGH_URL defaults to UPSTREAM_URL", () => {
    const settings = parseSettings({ UPSTREAM_URL: "https://x.example/api/", PASSTHROUGH_URL: "" });
    expect(settings.passthroughUrl).toBe("https://x.example/api");
  });

  test("is ignored if its name is unknown", () => {
    expect(parseSettings({ PATH: "/bin", MAXAGE: "x" })).toEqual(parseSettings({}));
  });
});
