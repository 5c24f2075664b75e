// No key appears in what the program writes, counts or sends, whatever it receives and however it starts or stops.
import { describe, expect, onTestFinished, test } from "vitest";
import { createCanary } from "../support/key-search.ts";
import { openConnection } from "../support/connection.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { startCall } from "../support/plain-call.ts";
import { run, startProgram, type Program } from "../support/program.ts";
import {
  LIST_REQUESTS,
  PASSTHROUGH_REQUESTS,
  REFUSED_REQUESTS,
  sendRaw,
  serializeRequest,
} from "../support/key-carrying-requests.ts";

const REQUESTS = [...LIST_REQUESTS, ...REFUSED_REQUESTS, ...PASSTHROUGH_REQUESTS];
const FIELDS = "Host: a\nAuthorization: Bearer KEY\n";

/** Bytes that are no valid request, or that Node's server handles itself; `KEY` is replaced by a key. */
const INVALID_REQUESTS: readonly (readonly [string, string])[] = [
  ["no HTTP", "KEY\n\n"],
  ["an unknown method", `KEY /v1/models HTTP/1.1\n${FIELDS}\n`],
  ["an unknown version", `GET /v1/KEY HTTP/KEY\n${FIELDS}\n`],
  ["a target with a blank", `GET /v1/KEY KEY HTTP/1.1\n${FIELDS}\n`],
  ["a target with a non-ASCII byte", `GET /v1/KEY\xff HTTP/1.1\n${FIELDS}\n`],
  ["an absolute target", `GET http://KEY:KEY@KEY/v1/models HTTP/1.1\n${FIELDS}\n`],
  ["an invalid target", `GET KEY HTTP/1.1\n${FIELDS}\n`],
  ["CONNECT", `CONNECT KEY:443 HTTP/1.1\nProxy-Authorization: Bearer KEY\n${FIELDS}\n`],
  ["a malformed header", `GET /v1/models HTTP/1.1\n${FIELDS}KEY KEY\n\n`],
  ["a control character in a header", `GET /v1/models HTTP/1.1\n${FIELDS}X: KEY\0KEY\n\n`],
  ["too many header bytes", `GET /v1/models HTTP/1.1\n${FIELDS}${"X-Key: KEY\n".repeat(1000)}\n`],
  ["a target that is too long", `GET /v1/models?${"KEY".repeat(1000)} HTTP/1.1\n${FIELDS}\n`],
  ["two Hosts", `GET /v1/models HTTP/1.1\nHost: KEY\n${FIELDS}\n`],
  ["two Content-Lengths", `POST /v1/echo HTTP/1.1\n${FIELDS}Content-Length: 1\nContent-Length: 2\n\nKEY`],
  ["an invalid Content-Length", `POST /v1/echo HTTP/1.1\n${FIELDS}Content-Length: KEY\n\nKEY`],
  ["an unknown transfer coding", `POST /v1/echo HTTP/1.1\n${FIELDS}Transfer-Encoding: KEY\n\nKEY`],
  ["an invalid chunk", `POST /v1/echo HTTP/1.1\n${FIELDS}Transfer-Encoding: chunked\n\nKEY\n\n`],
  ["HTTP/2", `PRI * HTTP/2.0\n\nSM\n\nKEY`],
  ["an incomplete request", `GET /v1/models?KEY HTTP/1.1\n${FIELDS}`],
];

async function startWithCanary(settings: Record<string, string> = {}) {
  const canary = createCanary();
  const nano = await startNanoGpt({ accounts: [{ key: canary.key }] });
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    LOG_LEVEL: "trace",
    LIST_TIMEOUT: "200ms",
    HEADERS_TIMEOUT: "500ms",
    ...settings,
  });
  const bearer = `Authorization: Bearer ${canary.key}`;
  return { ...canary, nano, program, bearer };
}

/** Stops the program and returns all its output. */
async function stopAndReadOutput(program: Program): Promise<string> {
  program.child.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  expect(program.stderr()).toMatch(/Stopping/);
  return program.stdout() + program.stderr();
}

describe("at LOG_LEVEL=trace no key is in the log, the metrics or an error", { retry: 0 }, () => {
  test("whatever the requests, while upstream is up and while it is down", async () => {
    const { key, tracesIn, nano, program } = await startWithCanary();
    await Promise.all(REQUESTS.map((request) => sendRaw(program.url, serializeRequest(request, key))));
    await nano.pause();
    await Promise.all(REQUESTS.map((request) => sendRaw(program.url, serializeRequest(request, key))));
    const metrics = await sendRaw(program.url, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(metrics).toMatch(/keylane_requests_total\{route="models",status="401",cache="none"\} [1-9]/);
    expect(tracesIn(metrics)).toEqual([]);
    const output = await stopAndReadOutput(program);
    expect(output.split('"msg":"request"').length).toBeGreaterThan(REQUESTS.length);
    expect(tracesIn(output)).toEqual([]);
  });

  test("whatever bytes are sent instead of a request", async () => {
    const { key, tracesIn, program } = await startWithCanary();
    const answers = await Promise.all(
      INVALID_REQUESTS.map(
        async ([kind, bytes]) => `${kind}: ${await sendRaw(program.url, bytes.replaceAll("KEY", key), 3000)}`,
      ),
    );
    const answered = answers.filter((answer) => answer.includes(": HTTP/1.1 "));
    expect(answered.length).toBeGreaterThan(INVALID_REQUESTS.length - 4);
    for (const text of [...answers, await stopAndReadOutput(program)]) expect(tracesIn(text), text).toEqual([]);
  });

  test("when the program is stopped with requests pending", async () => {
    const { key, tracesIn, nano, program, bearer } = await startWithCanary({
      DRAIN_TIMEOUT: "300ms",
      LIST_TIMEOUT: "1m",
    });
    const { arrived } = nano.hold({ path: "/v1", key, times: 3 });
    const url = program.url;
    startCall(`${url}/v1/bytes?n=9&key=${key}`, { fields: bearer });
    startCall(`${url}/v1/models`, { fields: bearer });
    startCall(`${url}/v1/echo/${key}`, { method: "POST", fields: bearer, body: key });
    const half = await openConnection(url);
    half.send(`GET /v1/models?${key} HTTP/1.1\n${bearer}\n`);
    await arrived;
    program.child.kill("SIGTERM");
    expect(await program.exited).toBe(1);
    expect(program.stderr()).toMatch(/Stopping/);
    expect(tracesIn(program.stdout() + program.stderr())).toEqual([]);
  });
});

/** Invalid settings that contain a key, as many as one start reports; `SHORT` is replaced by the end of the key. */
const BAD_SETTINGS: readonly Record<string, string>[] = [
  {
    CACHE_SECRET: "SHORT",
    UPSTREAM_URL: "https://KEY:KEY@nano.invalid/api",
    PASSTHROUGH_URL: "https://nano.invalid/KEY/v1",
    REDIS_URL: "KEY",
    PORT: "KEY",
    LOG_LEVEL: "KEY",
    ALLOWED_HOSTS: "localhost, KEY/",
    CORS_ORIGIN: "https://KEY:KEY@a.invalid",
  },
  {
    UPSTREAM_URL: "https://nano.invalid/api?key=KEY",
    PASSTHROUGH_URL: "https://nano.invalid/#KEY",
    MAX_AGE: "KEY s",
  },
  {
    UPSTREAM_URL: "KEY",
    PASSTHROUGH_URL: "ftp://nano.invalid/KEY",
    LIST_MAX_SIZE: "KEY",
    MODELS_LIST: "KEY",
  },
  { REDIS_URL: "http://:KEY@redis.invalid" },
  { CACHE_SECRET: "KEY-and-more", MAX_AGE: "1 minute" },
];

test.for(BAD_SETTINGS)("a failed start prints no secret of its settings: %o", async (settings) => {
  const { key, tail, tracesIn } = createCanary();
  const secret = (text: string) => text.replaceAll("KEY", key).replaceAll("SHORT", tail);
  const environment = Object.fromEntries(Object.entries(settings).map(([name, text]) => [name, secret(text)]));
  const { code, stdout, stderr } = await run([], environment);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Cannot start:/);
  for (const [name, text] of Object.entries(settings)) if (!text.endsWith("-more")) expect(stderr).toContain(name);
  expect(tracesIn(stdout + stderr)).toEqual([]);
});
