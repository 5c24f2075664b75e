// Path, query, MODELS_LIST and MODELS_SHAPE decide which list is fetched and in which shape it is served.
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const BASIC = ["id", "object", "created", "owned_by"];
// As text, so that every digit is fixed. Each row has more than the basic fields, whether requested or not.
const ROWS = [
  '{"id":"a/one","object":"model","created":1754092800,"owned_by":"a","pricing":{"prompt":0.49299999999999994}}',
  '{"created":1e3,"id":"b","object":"model","name":"B","owned_by":null,"x":{"deep":[1.10,-0.0,12345678901234567890]}}',
  '{"id":"c","context_length":4096}',
];
const TEXT = `{"object":"list", "data":[${ROWS.join(" ,")}],"more":[1.0]}`;
const GOOD = { kind: "status", status: 200, body: TEXT } as const;

describe("the list served at plain /v1/models", () => {
  test.for([
    [undefined, "/api/personalized/v1/models"],
    ["personalized", "/api/personalized/v1/models"],
    ["canonical", "/api/v1/models"],
    ["subscription", "/api/subscription/v1/models"],
    ["paid", "/api/paid/v1/models"],
  ])("with MODELS_LIST %s is %s", async ([name, target]) => {
    const { list, nano } = await setup(name === undefined ? {} : { MODELS_LIST: name });
    for (const path of ["/v1/models", "/models", "/api/v1legacy/models", "/v1/models/openai/gpt-4-turbo"]) {
      await list(ALICE, { path });
    }
    expect(nano.seen.map((request) => request.target)).toEqual([target]);
  });

  test.for(["personalized", "canonical", "subscription", "paid"])(
    "is named by the base URL, which takes precedence over MODELS_LIST %s",
    async (name) => {
      const { list, nano } = await setup({ MODELS_LIST: name });
      for (const base of ["personalized", "subscription", "paid"]) {
        nano.reset();
        await list(ALICE, { path: `/${base}/v1/models` });
        expect(nano.seen.map(({ target }) => target)).toEqual([`/api/${base}/v1/models`]);
      }
    },
  );
});

describe("the shape", () => {
  // MODELS_SHAPE, path, whether the rows keep all their fields, query of the upstream request.
  test.for([
    ["requested", "/v1/models", true, ""],
    ["requested", "/v1/models?detailed=true", true, "?detailed=true"],
    ["requested", "/v1/models?detailed=1", true, "?detailed=true"],
    ["requested", "/v1/models?detailed=false", true, ""],
    ["requested", "/v1/models?detailed=0&detailed", true, ""],
    ["basic", "/v1/models", false, ""],
    ["basic", "/v1/models?detailed=true", false, ""],
    ["detailed", "/v1/models", true, "?detailed=true"],
    ["detailed", "/v1/models?detailed=false", true, "?detailed=true"],
    ["requested", "/basic/v1/models", false, ""],
    ["requested", "/basic/v1/models?detailed=true", false, ""],
    ["requested", "/detailed/v1/models", true, "?detailed=true"],
    ["basic", "/detailed/v1/models", true, "?detailed=true"],
    ["detailed", "/basic/v1/models", false, ""],
    ["detailed", "/basic/api/paid/v1/models?detailed=true", false, ""],
    ["openrouter", "/basic/v1/models", false, ""],
    ["openrouter", "/detailed/v1/models", true, "?detailed=true"],
  ] as const)(
    "with MODELS_SHAPE %s at %s: all fields %s, upstream query %s",
    async ([setting, path, hasAllFields, query]) => {
      const { list, nano } = await setup({ MODELS_SHAPE: setting });
      nano.fail(GOOD);
      const answer = await list(ALICE, { path });
      expect(answer.ids()).toEqual(["a/one", "b", "c"]);
      if (hasAllFields) expect(answer.text).toBe(TEXT);
      const names = answer.json().data.map((row: object) => Object.keys(row).sort());
      if (!hasAllFields) expect(names).toEqual([BASIC.toSorted(), BASIC.toSorted(), ["id"]]);
      const target = nano.lists()[0]?.target ?? "";
      expect(target.slice(target.indexOf("/models"))).toBe(`/models${query}`);
    },
  );

  test("basic keeps the four values unchanged, including null", async () => {
    const { list, nano } = await setup();
    nano.fail(GOOD);
    const { data, ...rest } = (await list(ALICE, { path: "/basic/v1/models" })).json();
    expect(rest).toEqual({ object: "list" });
    expect(data).toEqual([
      { id: "a/one", object: "model", created: 1_754_092_800, owned_by: "a" },
      { id: "b", object: "model", created: 1000, owned_by: null },
      { id: "c" },
    ]);
  });

  test("of one model is the shape of its list", async () => {
    const { list, nano } = await setup();
    nano.fail(GOOD);
    const detailed = await list(ALICE, { path: "/detailed/v1/models/a/one" });
    expect(detailed.text).toBe(ROWS[0]);
    const basic = await list(ALICE, { path: "/basic/v1/models/a%2Fone" });
    expect(Object.keys(basic.json()).sort()).toEqual(BASIC.toSorted());
  });

  // More digits than a double can represent: parsed and serialized it would be another number.
  test.for([
    ["of one model", "/detailed/v1/models/b", TEXT],
    ["of a list without an invalid row", "/detailed/v1/models", TEXT.replace("[", "[null,")],
  ])("%s changes no number", async ([, path = "", body]) => {
    const { list, nano } = await setup();
    nano.fail({ ...GOOD, body });
    const { text } = await list(ALICE, { path });
    expect(text).toContain("12345678901234567890");
  });

  test("detailed is NanoGPT's own, byte for byte", async () => {
    const { list, nano } = await setup({}, [{ key: ALICE }]);
    const answer = await list(ALICE, { path: "/detailed/v1/models" });
    expect(answer.text).toBe(JSON.stringify({ object: "list", data: nano.models }));
    expect(answer.text).toContain("0.49299999999999994");
    const basic = await list(ALICE, { path: "/basic/v1/models?detailed=true" });
    for (const row of basic.json().data) expect(Object.keys(row)).toEqual(BASIC);
  });

  test("basic and plain of one list share an upstream call, detailed and openrouter another", async () => {
    const { list, nano } = await setup();
    const paths = ["/v1", "/basic/v1", "/detailed/v1", "/openrouter/v1"].map((base) => `${base}/models`);
    for (const path of [...paths, "/v1/models?detailed=1", "/openrouter/v1/models/openai/gpt-4-turbo"]) {
      await list(ALICE, { path });
    }
    expect(nano.lists().map(({ target }) => target)).toEqual([
      "/api/personalized/v1/models",
      "/api/personalized/v1/models?detailed=true",
    ]);
  });
});

describe("a parameter", () => {
  test.for([
    "detailed=false",
    "limit=5",
    "user=u1",
    "beta=true",
    "after_id=x",
    "before_id=y",
    "limit=1&user=2",
    "",
    "&&",
  ])("'%s' that has no effect is not part of the cache key and not forwarded", async (query) => {
    const { list, nano } = await setup();
    const plain = await list(ALICE);
    const answer = await list(ALICE, { path: `/v1/models?${query}` });
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit/);
    expect(answer.body).toEqual(plain.body);
    expect(nano.lists().map(({ target }) => target)).toEqual(["/api/personalized/v1/models"]);
    const detailed = await list(ALICE, { path: `/detailed/v1/models?${query}` });
    expect(detailed.status).toBe(200);
    expect(nano.lists()[1]?.target).toBe("/api/personalized/v1/models?detailed=true");
  });

  test.for(["sort=mostused", "sort=favorites", "unknown=1", "Limit=5", "provider=a%2Fb", "flag="])(
    "'%s' that may have an effect is part of the cache key and forwarded",
    async (query) => {
      const { list, nano } = await setup();
      await list(ALICE);
      for (const path of [`/v1/models?${query}`, `/v1/models?${query}&limit=3`]) await list(ALICE, { path });
      expect(nano.lists().map(({ target }) => target)).toEqual([
        "/api/personalized/v1/models",
        `/api/personalized/v1/models?${query}`,
      ]);
    },
  );

  test("determines the response: the canonical list comes in the requested order", async () => {
    const { list } = await setup({ MODELS_LIST: "canonical" }, [{ key: ALICE }]);
    const plain = await list(ALICE);
    const sorted = await list(ALICE, { path: "/v1/models?sort=mostused" });
    expect(sorted.ids()).not.toEqual(plain.ids());
    expect(sorted.ids().sort()).toEqual(plain.ids().sort());
  });

  test("order has no effect", async () => {
    const { list, nano } = await setup();
    const parts = ["sort=mostused", "x=1", "detailed=true"];
    await list(ALICE, { path: `/v1/models?${parts.join("&")}` });
    const answer = await list(ALICE, { path: `/v1/models?${parts.toReversed().join("&")}` });
    expect(answer.headers["cache-status"]).toMatch(/^keylane; hit/);
    expect(nano.lists()).toHaveLength(1);
  });
});
