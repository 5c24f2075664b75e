// The commands of `keylane`: exit codes, what they print, and that no key or secret is printed.
import { readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { refusesConnections } from "../support/connection.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { responseTo, startCall, plainCall } from "../support/plain-call.ts";
import { run, startProgram } from "../support/program.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";

async function startWithStandIn(environment: Record<string, string> = {}) {
  const nano = await startNanoGpt({ accounts: ACCOUNTS });
  onTestFinished(() => nano.stop());
  const program = await startProgram({ UPSTREAM_URL: nano.url, ...environment });
  return { nano, program, port: { PORT: new URL(program.url).port } };
}

describe("a program that cannot start", () => {
  test("names every invalid setting once, with its value and the expected form", async () => {
    const REDIS_URL = "http://someone:hush@redis.example";
    const invalid = {
      MAX_AGE: "1 minute",
      PORT: "99999",
      MODELS_LIST: "mine",
      CACHE_SECRET: "hush",
      LIST_MAX_SIZE: "big",
      REDIS_URL,
    };
    const { code, stdout, stderr } = await run([], { ...invalid, LOG_LEVEL: "info" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    for (const name of ["MAX_AGE", "PORT", "MODELS_LIST", "LIST_MAX_SIZE", "CACHE_SECRET", "REDIS_URL"]) {
      expect(stderr.match(new RegExp(`\\b${name} must be`, "g")), name).toHaveLength(1);
    }
    expect(stderr).toContain('got "1 minute"');
    expect(stderr).not.toContain("hush");
    expect(stderr).not.toContain("LOG_LEVEL");
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("says that its port is in use", async () => {
    const { port } = await startWithStandIn();
    const { code, stderr } = await run([], port);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Cannot start: 127.0.0.1:${port.PORT} is in use: stop the other program, or set another PORT\n`,
    });
  });

  test("rejects unknown commands and options", async () => {
    for (const [args, message] of [
      [["start"], '"start": to start, say keylane alone'],
      [["--port", "1"], '"--port": settings come from the environment, such as PORT=8788 keylane'],
      [["healthcheck", "now"], '"now"'],
      [["chekc"], '"chekc"'],
      [[ALICE], "an argument that is not shown: a key belongs into the environment, as NANOGPT_API_KEY"],
    ] as const) {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toBe(`keylane does not know ${message}\nkeylane --help lists the commands\n`);
    }
  });
});

describe("a command", () => {
  test("healthcheck requests /readyz from the instance with the same settings", async () => {
    const { nano, program, port } = await startWithStandIn();
    expect(await run(["healthcheck"], port)).toEqual({ code: 0, stdout: "", stderr: "" });
    nano.fail({ kind: "hang-mid-body" }, { path: "/v1/echo" });
    await responseTo(startCall(`${program.url}/v1/echo`));
    program.child.kill("SIGTERM");
    await expect.poll(() => refusesConnections(program.url)).toBe(true);
    const { code, stderr } = await run(["healthcheck"], port);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Not ready: http:.* does not answer: start Keylane, or set HOST and PORT to/);
    const other = await run(["healthcheck"], { PORT: new URL(nano.url).port });
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(
      /^Not ready: http:.* answered 404: give this HOST, PORT and ALLOWED_HOSTS as Keylane has them\n$/,
    );
  });

  test("healthcheck works with ALLOWED_HOSTS and with a server that listens on every address", async () => {
    const settings = { ALLOWED_HOSTS: "keylane.example", HOST: "0.0.0.0" };
    const { port } = await startWithStandIn(settings);
    expect(await run(["healthcheck"], { ...settings, ...port })).toMatchObject({ code: 0 });
  });

  test("--version prints the package's version, --help lists the commands", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    const { code, stdout } = await run(["--help"]);
    expect(code).toBe(0);
    const args = ["check", "--url", "--json", "healthcheck", "--help", "--version", version];
    for (const text of args) expect(stdout).toContain(text);
    for (const line of [["-h"], ["help"], ["check", "--help"]]) expect((await run(line)).stdout).toBe(stdout);
  });

  test("--help fits a screen of 80 by 24", async () => {
    const lines = (await run(["--help"])).stdout.trimEnd().split("\n");
    expect(lines.length).toBeLessThan(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

test("the program writes one JSON line per request, without keys, query values and bodies", async () => {
  const { program } = await startWithStandIn();
  const fields = `Authorization: Bearer ${ALICE}\nX-Request-Id: mine-1`;
  await plainCall(`${program.url}/v1/models?detailed=true&secret=hush1`, { fields });
  await plainCall(`${program.url}/v1/models?detailed=true&secret=hush1`, { fields });
  await plainCall(`${program.url}/v1/echo/hush2?secret=hush1`, { method: "POST", fields, body: "hush3" });
  await plainCall(`${program.url}/v1/models/hush2?key=${ALICE}`);
  program.child.kill("SIGTERM");
  await program.exited;
  const lines = program
    .stdout()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const requests = lines.filter(({ msg }) => msg === "request");
  const caller = expect.stringMatching(/^[0-9a-f]{8}$/);
  const shared = { time: expect.any(Number), id: "mine-1", ms: expect.any(Number), caller };
  expect(requests).toMatchObject([
    { ...shared, method: "GET", route: "models", status: 200, cache: "miss" },
    { ...shared, method: "GET", route: "models", status: 200, cache: "hit" },
    { ...shared, method: "POST", route: "passthrough", status: 200 },
    { method: "GET", route: "model", status: 401, id: expect.stringMatching(/^[0-9a-f]{32}$/) },
  ]);
  expect(requests.map(({ level }) => typeof level)).not.toContain("undefined");
  expect(program.stdout() + program.stderr()).not.toMatch(new RegExp(`${ALICE}|hush`));
});
