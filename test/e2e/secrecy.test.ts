// No key or token appears in a log line, a response header or an error, whatever the request and the upstream response.
import { describe, expect, test } from "vitest";
import { ALICE, setup, type Answer, type Setup } from "../support/setup.ts";
import { POLL } from "../support/stale-setup.ts";

const TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl";
const bearer = { authorization: `Bearer ${ALICE}` };
const quotingKey = (status: number) => ({
  kind: "status" as const,
  status,
  body: JSON.stringify({
    error: { message: `The key ${ALICE} is bad`, type: ALICE, code: ALICE, param: ALICE },
  }),
});

/** Requests after which a key could leak. */
const REQUESTS: { name: string; send: (all: Setup) => Promise<Answer> }[] = [
  { name: "a list", send: ({ list }) => list(ALICE) },
  { name: "a list of a token", send: ({ list }) => list(TOKEN) },
  { name: "an unknown model", send: ({ list }) => list(ALICE, { path: `/v1/models/${ALICE}` }) },
  { name: "a purge", send: ({ list }) => list(ALICE, { method: "PURGE" }) },
  { name: "a key in the query", send: ({ call }) => call(`/v1/models?api_key=${ALICE}`) },
  { name: "a key in query and header", send: ({ list }) => list(ALICE, { path: `/v1/models?key=${ALICE}` }) },
  { name: "a key in an unknown path", send: ({ list }) => list(ALICE, { path: `/nowhere/${ALICE}` }) },
  {
    name: "a key with a space",
    send: ({ call }) => call("/v1/models", { headers: { authorization: `Bearer ${ALICE} x` } }),
  },
  { name: "another scheme", send: ({ call }) => call("/v1/models", { headers: { authorization: `Token ${ALICE}` } }) },
  { name: "two keys", send: ({ call }) => call("/v1/models", { headers: { ...bearer, "x-api-key": `${ALICE}-2` } }) },
  {
    name: "a key as request id",
    send: ({ call }) => call("/v1/models", { headers: { ...bearer, "x-request-id": ALICE } }),
  },
  {
    name: "a key as Origin",
    send: ({ call }) => call("/v1/models", { headers: { ...bearer, origin: `https://${ALICE}` } }),
  },
  {
    name: "an upstream that quotes a token",
    async send({ nano, list }) {
      nano.fail({ kind: "status", status: 401, body: JSON.stringify({ code: TOKEN, message: `No ${TOKEN}` }) });
      return list(TOKEN);
    },
  },
  { name: "rows that are dropped", send: (all) => failing(all, { kind: "bad-rows" }) },
  ...[400, 401, 403, 422, 429, 500, 503].map((status) => ({
    name: `an upstream that quotes the key with ${status}`,
    send: (all: Setup) => failing(all, quotingKey(status)),
  })),
  { name: "an upstream that quotes the key with 200", send: (all) => failing(all, quotingKey(200)) },
  {
    name: "an upstream that redirects to the key",
    send: (all) => failing(all, { kind: "redirect", location: `https://elsewhere.invalid/${ALICE}` }),
  },
  { name: "a connection that breaks", send: (all) => failing(all, { kind: "garbage" }) },
  {
    name: "a passthrough call to an unreachable upstream",
    async send({ nano, list }) {
      await nano.pause();
      return list(ALICE, { path: `/v1/chat/completions?key=${ALICE}`, method: "POST", body: "{}" });
    },
  },
];

function failing({ nano, list }: Setup, fault: Parameters<Setup["nano"]["fail"]>[0]): Promise<Answer> {
  nano.fail(fault);
  return list(ALICE);
}

describe("a key", { retry: 0 }, () => {
  test.each(REQUESTS)("is in no log line, no header and no error after $name", async ({ send, name }) => {
    const all = await setup();
    const answer = await send(all);
    // CORS echoes the Origin, which may contain anything the page chose.
    const { "access-control-allow-origin": allowed, ...headers } = answer.headers;
    expect(String(allowed)).not.toContain(name === "a key as Origin" ? "Bearer" : ALICE);
    await expect.poll(async () => (await all.keylane.log()).join("\n"), POLL).toContain('"msg":"request"');
    const seen = `${JSON.stringify(headers)}\n${answer.text}\n${(await all.keylane.log()).join("\n")}`;
    for (const secret of [ALICE, TOKEN, TOKEN.slice(-12), "sk-nano-test"]) expect(seen).not.toContain(secret);
  });

  test("is logged under a name that changes with every start", async () => {
    const names = [];
    for (let start = 0; start < 2; start++) {
      const { list, keylane } = await setup();
      await list(ALICE);
      await list(ALICE);
      const lines = (await keylane.log()).map((line) => JSON.parse(line) as { msg: string; caller?: string });
      const callers = lines.filter(({ msg }) => msg === "request").map(({ caller }) => caller);
      expect(new Set(callers).size).toBe(1);
      expect(callers[0]).toMatch(/^[0-9a-f]{8}$/);
      names.push(callers[0]);
    }
    expect(names[0]).not.toBe(names[1]);
  });
});
