import { describe, expect, test } from "vitest";
import { ALICE, scene, type Answer, type Scene } from "../support/setup.ts";
import { SOON } from "../support/stale-setup.ts";

const TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl";
const bearer = { authorization: `Bearer ${ALICE}` };
const quoting = (status: number) => ({
  kind: "status" as const,
  status,
  body: JSON.stringify({
    error: { message: `The key ${ALICE} is bad`, type: ALICE, code: ALICE, param: ALICE },
  }),
});

/** Requests after which a key could be found somewhere. */
const OCCASIONS: { occasion: string; make: (scene: Scene) => Promise<Answer> }[] = [
  { occasion: "a list", make: ({ list }) => list(ALICE) },
  { occasion: "a list of a token", make: ({ list }) => list(TOKEN) },
  { occasion: "an unknown model", make: ({ list }) => list(ALICE, { path: `/v1/models/${ALICE}` }) },
  { occasion: "a purge", make: ({ list }) => list(ALICE, { method: "PURGE" }) },
  { occasion: "a key in the query", make: ({ call }) => call(`/v1/models?api_key=${ALICE}`) },
  {
    occasion: "a key in query and field",
    make: ({ list }) => list(ALICE, { path: `/v1/models?key=${ALICE}` }),
  },
  { occasion: "a key in an unknown path", make: ({ list }) => list(ALICE, { path: `/nowhere/${ALICE}` }) },
  {
    occasion: "a key with a space",
    make: ({ call }) => call("/v1/models", { headers: { authorization: `Bearer ${ALICE} x` } }),
  },
  {
    occasion: "another scheme",
    make: ({ call }) => call("/v1/models", { headers: { authorization: `Token ${ALICE}` } }),
  },
  {
    occasion: "two keys",
    make: ({ call }) => call("/v1/models", { headers: { ...bearer, "x-api-key": `${ALICE}-2` } }),
  },
  {
    occasion: "a key as request id",
    make: ({ call }) => call("/v1/models", { headers: { ...bearer, "x-request-id": ALICE } }),
  },
  {
    occasion: "a key as Origin",
    make: ({ call }) => call("/v1/models", { headers: { ...bearer, origin: `https://${ALICE}` } }),
  },
  {
    occasion: "an upstream that quotes a token",
    async make({ nano, list }) {
      nano.fail({
        kind: "status",
        status: 401,
        body: JSON.stringify({ code: TOKEN, message: `No ${TOKEN}` }),
      });
      return list(TOKEN);
    },
  },
  { occasion: "rows that are dropped", make: (all) => failing(all, { kind: "bad-rows" }) },
  ...[400, 401, 403, 422, 429, 500, 503].map((status) => ({
    occasion: `an upstream that quotes the key with ${status}`,
    make: (all: Scene) => failing(all, quoting(status)),
  })),
  { occasion: "an upstream that quotes the key with 200", make: (all) => failing(all, quoting(200)) },
  {
    occasion: "an upstream that redirects to the key",
    make: (all) => failing(all, { kind: "redirect", location: `https://elsewhere.invalid/${ALICE}` }),
  },
  { occasion: "a connection that breaks", make: (all) => failing(all, { kind: "garbage" }) },
  {
    occasion: "a passthrough call to nobody",
    async make({ nano, list }) {
      await nano.pause();
      return list(ALICE, { path: `/v1/chat/completions?key=${ALICE}`, method: "POST", body: "{}" });
    },
  },
];

function failing({ nano, list }: Scene, fault: Parameters<Scene["nano"]["fail"]>[0]): Promise<Answer> {
  nano.fail(fault);
  return list(ALICE);
}

describe("a key", { retry: 0 }, () => {
  test.each(OCCASIONS)(
    "is in no log line, no header and no error after $occasion",
    async ({ make, occasion }) => {
      const all = await scene();
      const answer = await make(all);
      // CORS answers a page with its own name; that is for the browser, and no place for a key.
      const { "access-control-allow-origin": allowed, ...headers } = answer.headers;
      expect(String(allowed)).not.toContain(occasion === "a key as Origin" ? "Bearer" : ALICE);
      await expect.poll(async () => (await all.keylane.log()).join("\n"), SOON).toContain('"msg":"request"');
      const seen = `${JSON.stringify(headers)}\n${answer.text}\n${(await all.keylane.log()).join("\n")}`;
      for (const secret of [ALICE, TOKEN, TOKEN.slice(-12), "sk-nano-test"])
        expect(seen).not.toContain(secret);
    },
  );

  test("has a name in the log that is another after every start", async () => {
    const names = [];
    for (let start = 0; start < 2; start++) {
      const { list, keylane } = await scene();
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
