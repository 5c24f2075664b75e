// The error for invalid settings names each one, the value and the expected form, and prints no secret.
import { describe, expect, test } from "vitest";
import { parseSettings, SettingsError, type Environment } from "../../src/config/settings.ts";

/** The error message for these settings. */
function errorMessage(env: Environment): string {
  try {
    parseSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error("These settings were accepted");
}

const SECRET = { CACHE_SECRET: "a secret nobody can guess" };

describe("the error for invalid settings", () => {
  test("contains the name, the expected form and the value", () => {
    expect(errorMessage({ MAX_AGE: "1 minute" })).toBe(
      'Cannot start: MAX_AGE must be a duration such as 500ms, 60s, 10m or 24h, at most 365d, got "1 minute"',
    );
  });

  test("names every invalid setting, one per line", () => {
    const names =
      "HOST PORT UPSTREAM_URL PASSTHROUGH_URL MODELS_LIST MODELS_SHAPE MAX_AGE STALE_WHILE_REVALIDATE " +
      "STALE_IF_ERROR REFUSAL_MAX_AGE LIST_TIMEOUT LIST_MAX_SIZE MEMORY_MAX_SIZE REDIS_URL CACHE_SECRET " +
      "CORS_ORIGIN ALLOWED_HOSTS MAX_BODY_SIZE HEADERS_TIMEOUT REQUEST_TIMEOUT PASSTHROUGH_TIMEOUT " +
      "DRAIN_TIMEOUT LOG_LEVEL METRICS";
    const lines = errorMessage(Object.fromEntries(names.split(" ").map((name) => [name, []]))).split("\n");
    expect(lines[0]).toBe("Cannot start:");
    const named = lines.slice(1).map((line) => line.trim().split(" ")[0]);
    expect(new Set(named)).toEqual(new Set(names.split(" ")));
    expect(named).toHaveLength(names.split(" ").length);
  });

  test.each([
    { UPSTREAM_URL: "http://127.0.0.1:8787/api" },
    { UPSTREAM_URL: "http://localhost:8787" },
    { UPSTREAM_URL: "http://[::1]:9000/api", PORT: "9000" },
    { UPSTREAM_URL: "http://keylane.example", HOST: "keylane.example", PORT: "80" },
    { PASSTHROUGH_URL: "http://127.0.0.1:8787" },
  ])("rejects Keylane's own address as upstream: %o", (env) => {
    expect(errorMessage(env)).toContain("must be NanoGPT's address, got Keylane's own: http://");
  });

  test("does not reject another Keylane as upstream, on another port or host", () => {
    expect(parseSettings({ UPSTREAM_URL: "http://127.0.0.1:8788/api" }).upstreamUrl).toBe("http://127.0.0.1:8788/api");
    expect(parseSettings({ UPSTREAM_URL: "http://10.0.0.1:8787" }).upstreamUrl).toBe("http://10.0.0.1:8787");
  });

  test("says that REDIS_URL needs CACHE_SECRET", () => {
    const REDIS_URL = "redis://u:hunter2@r:6379";
    for (const env of [{ REDIS_URL }, { REDIS_URL, CACHE_SECRET: "" }]) {
      expect(errorMessage(env)).toMatch(/^Cannot start: CACHE_SECRET must be set where REDIS_URL is/);
    }
    expect(parseSettings({ REDIS_URL, ...SECRET }).redisUrl).toBe(REDIS_URL);
  });

  test.for([
    ["CACHE_SECRET", "hunter2"],
    ["CACHE_SECRET", { value: "hunter2" }],
    ["REDIS_URL", "http://u:hunter2@r"],
    ["REDIS_URL", "redis//u:hunter2@r"],
    ["REDIS_URL", { url: "redis://u:hunter2@r" }],
    ["UPSTREAM_URL", "https://u:hunter2@x.example"],
    ["UPSTREAM_URL", "https://x.example/?key=hunter2"],
    ["UPSTREAM_URL", "ftp://u:hunter2@x.example"],
    ["PASSTHROUGH_URL", "https//u:hunter2@x.example"],
  ] as const)("never contains a secret of %s: %o", ([name, value]) => {
    const message = errorMessage({ ...(name === "CACHE_SECRET" ? {} : SECRET), [name]: value });
    expect(message).toContain(name);
    expect(message).not.toContain("hunter2");
  });
});
