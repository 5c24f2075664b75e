import { Agent, request } from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import type { App } from "../../src/app.ts";
import { settings } from "../../src/config/settings.ts";
import { lineLog } from "../../src/observability/log.ts";
import { start } from "../../src/node/start.ts";
import { listen } from "../../src/node/server.ts";
import { connection } from "../support/connection.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { ACCOUNTS, ALICE, BOB } from "../support/setup.ts";

// Node gives a held list on a road of its own. A Host in capitals is none that this road takes: the same question on both.
const HELD = "keylane";
const USUAL = "KEYLANE";

const KEYS: Record<string, string>[] = [
  { authorization: `Bearer ${ALICE}` },
  { authorization: `Bearer ${BOB}` },
  { authorization: `bearer \t${ALICE} ` },
  { "x-api-key": ALICE },
  { authorization: `Bearer ${ALICE}`, "x-api-key": ALICE },
  { authorization: `Bearer ${ALICE}`, "x-api-key": BOB },
  { authorization: "Bearer sk-nano-test-nobody" },
  { authorization: "Bearer" },
  { authorization: "Bearer a.b.c" },
  {},
];
const PATHS = ["/v1/models", "/v1/models?detailed=true", "/basic/v1/models", "/models", "/v1/models?limit=5"];
const THE_ONE = 'W/"the one"';
const FIELDS: Record<string, string>[] = [
  {},
  ...["gzip", "br", "zstd", "identity", "gzip;q=0, *", "unheard-of"].map((value) => ({
    "accept-encoding": value,
  })),
  ...["*", 'W/"another"', THE_ONE].map((value) => ({ "if-none-match": value })),
  ...[
    "no-cache",
    "no-store",
    "max-age=0",
    "max-age=60",
    "only-if-cached",
    "no-store, only-if-cached",
    "odd=",
  ].map((value) => ({ "cache-control": value })),
  ...["https://tool.example", "https://stranger.example", "null"].map((value) => ({ origin: value })),
  { "x-request-id": "of-the-caller" },
  { "x-request-id": ALICE },
];

/** Keylane with a clock that stands until it is moved: two answers to one question have one age. */
async function standing(source: Record<string, string>) {
  const nano = await startNanoGpt({ accounts: [...ACCOUNTS] });
  const lines: string[] = [];
  let at = 1_000_000_000_000;
  const now = () => at;
  const log = lineLog("info", now, (line) => lines.push(line));
  const found = settings({ PORT: "0", DRAIN_TIMEOUT: "1ms", UPSTREAM_URL: nano.url, ...source });
  const running = await start(found, { log, now });
  const agent = new Agent();
  onTestFinished(async () => {
    await agent.destroy();
    await running.stop();
    await nano.stop();
  });

  /** Gives all of an answer and of its line in the log but what is new for each request. */
  async function asked(host: string, path: string, fields: Record<string, string>) {
    lines.length = 0;
    const answer = await request(running.url + path, { dispatcher: agent, headers: { ...fields, host } });
    const body = Buffer.from(await answer.body.arrayBuffer()).toString("base64");
    const { date: _, "x-request-id": id, ...headers } = answer.headers;
    const {
      id: loggedId,
      caller,
      ...line
    } = JSON.parse(lines.find((line) => line.includes('"request"')) ?? "{}");
    const isCallers = id === fields["x-request-id"];
    const isLogged = id === loggedId;
    return {
      status: answer.statusCode,
      headers,
      body,
      line,
      isLogged,
      isCallers,
      isNamed: caller !== undefined,
    };
  }

  return { asked, later: (ms: number) => void (at += ms) };
}

describe("a held list is answered as any other", () => {
  test.for<readonly [string, Record<string, string>]>([
    ["by default", {}],
    ["where pages of one origin are let in", { CORS_ORIGIN: "https://tool.example" }],
    ["where the shape is set", { MODELS_SHAPE: "basic" }],
    ["where hosts are set", { ALLOWED_HOSTS: "keylane" }],
    ["where only others' hosts are set", { ALLOWED_HOSTS: "elsewhere" }],
  ])("%s", async ([, source]) => {
    const [one, other] = [
      await standing({ MAX_AGE: "1h", ...source }),
      await standing({ MAX_AGE: "1h", ...source }),
    ];
    const first = await one.asked(USUAL, "/v1/models", { authorization: `Bearer ${ALICE}` });
    await other.asked(USUAL, "/v1/models", { authorization: `Bearer ${ALICE}` });
    for (const path of PATHS) {
      for (const key of KEYS) {
        for (const field of FIELDS) {
          const fields = { ...key, ...field };
          if (fields["if-none-match"] === THE_ONE) fields["if-none-match"] = String(first.headers["etag"]);
          for (const _ of ["unknown", "known"]) {
            one.later(600);
            other.later(600);
            const usual = await one.asked(USUAL, path, fields);
            const held = await other.asked(HELD, path, fields);
            expect({ path, fields, ...held }).toEqual({ path, fields, ...usual });
          }
        }
      }
    }
  });

  test("until it is stale, with the age that it has", async () => {
    const limits = { MAX_AGE: "1m", STALE_WHILE_REVALIDATE: "0", STALE_IF_ERROR: "0" };
    const { asked, later } = await standing(limits);
    const key = { authorization: `Bearer ${ALICE}` };
    await asked(HELD, "/v1/models", key);
    later(59_999);
    const { headers, line, isNamed } = await asked(HELD, "/v1/models", key);
    expect(headers).toMatchObject({ age: "59", "cache-status": "keylane; hit; ttl=0" });
    expect(line).toMatchObject({ cache: "hit", route: "models", status: 200 });
    expect(isNamed).toBe(true);
    later(1);
    const after = await asked(HELD, "/v1/models", key);
    expect(after.headers["cache-status"]).toBe("keylane; fwd=stale; stored");
  });
});

const BYTES = new TextEncoder().encode("held");
const whole = () => ({ status: 200, fields: { "Content-Length": "4" }, bytes: BYTES });
const broken = () => ({ status: 200, fields: { "X-Broken": "\n" }, bytes: null });
const carry = () => () => Promise.reject(new Error("nothing passes through here"));

/** A connection to an app that holds everything. */
async function before(fresh: App["fresh"], DRAIN_TIMEOUT = "1ms") {
  const app: App = {
    fresh,
    fetch: () => new Response("made"),
    refuse: () => new Response("refused", { status: 400 }),
  };
  const running = await listen(app, settings({ PORT: "0", DRAIN_TIMEOUT }), carry, () => {});
  onTestFinished(async () => void (await running.stop()));
  return { running, ...(await connection(running.url)) };
}

/** Sends one request, and gives all that is said to it before the connection ends. */
async function saidTo(request: string, fresh: App["fresh"] = whole): Promise<string> {
  const { say, ended, heard } = await before(fresh);
  say(`${request}\nConnection: close\n\n`);
  await ended;
  return heard();
}

describe("the road of fresh lists", () => {
  test.for<readonly [string, string, RegExp]>([
    ["a name and a port", "GET / HTTP/1.1\nHost: localhost:8787", /200 OK[^]*held$/],
    ["a name in a compose file", "GET / HTTP/1.1\nHost: my_keylane:8787", /200 OK[^]*held$/],
    ["an address", "GET / HTTP/1.1\nHost: 127.0.0.1", /200 OK[^]*held$/],
    ["a long port", "GET / HTTP/1.1\nHost: a.example:40123", /200 OK[^]*held$/],
    ["another method", "POST / HTTP/1.1\nHost: a\nContent-Length: 0", /200 OK[^]*made$/],
    ["HEAD", "HEAD / HTTP/1.1\nHost: a", /200 OK[^]*\r\n\r\n$/],
    ["capitals", "GET / HTTP/1.1\nHost: A", /200 OK[^]*made$/],
    ["a short port", "GET / HTTP/1.1\nHost: a:80", /200 OK[^]*made$/],
    ["no Host, of HTTP/1.0", "GET / HTTP/1.0", /200 OK[^]*made$/],
    ["no Host", "GET / HTTP/1.1", /400 Bad Request[^]*refused$/],
    ["two of them", "GET / HTTP/1.1\nHost: a\nHost: a", /400 Bad Request[^]*refused$/],
    ["two words", "GET / HTTP/1.1\nHost: a b", /400 Bad Request[^]*refused$/],
    ["no port there is", "GET / HTTP/1.1\nHost: a:99999", /400 Bad Request[^]*refused$/],
    ["no version there is", "GET / HTTP/2.0\nHost: a", /400 Bad Request[^]*refused$/],
  ])("%s", async ([, request, said]) => {
    expect(await saidTo(request)).toMatch(said);
  });

  test("is no way to end the program: an answer that cannot be written closes the connection", async () => {
    expect(await saidTo("GET / HTTP/1.1\nHost: a", broken)).toBe("");
  });

  test("is closed while the program stops", async () => {
    const { running, say, until, ended, heard } = await before(whole, "5s");
    say("GET / HTTP/1.1\nHost: a\n\n");
    await until(/held$/);
    const stopped = running.stop();
    say("GET / HTTP/1.1\nHost: a\n\n");
    await ended;
    expect(heard()).toMatch(/held[^]*Connection: close\r\n[^]*made$/i);
    expect(await stopped).toBe(true);
  });
});
