import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { ALICE, scene, type Answer } from "../support/setup.ts";

// What the connection, not Keylane, says.
const CONNECTION = new Set(["date", "connection", "keep-alive"]);
const fieldsOf = ({ headers }: Answer) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION.has(name)));
const decoders: Record<string, (bytes: Buffer) => Promise<Buffer>> = {
  br: promisify(zlib.brotliDecompress),
  gzip: promisify(zlib.gunzip),
  zstd: promisify(zlib.zstdDecompress),
};
const codingOf = ({ headers }: Answer) => String(headers["content-encoding"] ?? "identity");
/** Gives the uncoded bytes, by the coding that the answer names. */
async function decoded(answer: Answer): Promise<Buffer> {
  return (await decoders[codingOf(answer)]?.(answer.body)) ?? answer.body;
}

describe("a list answer", () => {
  test("is JSON of a known length that names its validator, its age and what it depends on", async () => {
    const { list, keylane } = await scene();
    await list(ALICE);
    await keylane.advance(22_500);
    const { status, headers, body } = await list(ALICE);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(body.length),
      "cache-control": "private, no-cache",
      vary: "Authorization, X-API-Key, Origin, Accept-Encoding",
      etag: expect.stringMatching(/^W\/"[\w-]{20,}"$/),
      age: expect.stringMatching(/^2[23]$/),
      "cache-status": expect.stringMatching(/^keylane; hit; ttl=3[67]$/),
    });
  });

  test("holds no header of upstream's", async () => {
    const { list, nano } = await scene();
    const good = await list(ALICE);
    const headers = { "x-secret": "upstream's", "content-language": "de", etag: '"theirs"', age: "7" };
    nano.fail({ kind: "status", status: 200, body: good.text, headers });
    const found = fieldsOf(await list(ALICE, { path: "/v1/models?sort=name" }));
    const ours =
      "access-control-allow-origin access-control-expose-headers age cache-control cache-status " +
      "content-length content-type etag vary x-request-id";
    expect(Object.keys(found).sort()).toEqual(ours.split(" "));
    expect(found).toMatchObject({ age: "0", "cache-control": "private, no-cache" });
    expect(found["etag"]).not.toBe('"theirs"');
  });

  test("has the same validator whenever its bytes are the same, and another when they are not", async () => {
    const { list, keylane, nano } = await scene();
    const first = await list(ALICE);
    await keylane.advance(400_000);
    const second = await list(ALICE);
    expect(nano.lists()).toHaveLength(2);
    expect(second.headers["etag"]).toBe(first.headers["etag"]);
    nano.hide(ALICE, "openai/gpt-4-turbo");
    await keylane.advance(400_000);
    expect((await list(ALICE)).headers["etag"]).not.toBe(first.headers["etag"]);
  });

  test("to HEAD is the same without a body", async () => {
    const { list, keylane, nano } = await scene();
    await list(ALICE);
    // Away from the edge of a second, where age and ttl would differ.
    await keylane.advance(300);
    for (const path of ["/v1/models", "/v1/models/openai/gpt-4-turbo"]) {
      const headers = { "accept-encoding": "gzip", "x-request-id": "one" };
      const get = await list(ALICE, { path, headers });
      const head = await list(ALICE, { method: "HEAD", path, headers });
      expect(head.status).toBe(200);
      expect(fieldsOf(head)).toEqual(fieldsOf(get));
      expect(head.headers["content-length"]).toBe(String(get.body.length));
      expect(head.body).toHaveLength(0);
    }
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("the coding", () => {
  test.for([
    ["(absent)", "identity"],
    ["", "identity"],
    ["identity", "identity"],
    ["deflate, compress", "identity"],
    ["br", "br"],
    ["gzip", "gzip"],
    ["zstd", "zstd"],
    ["GZip", "gzip"],
    ["*", "br"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip, deflate, br", "br"],
    ["gzip, zstd", "zstd"],
    ["gzip;q=0.8, br;q=0.8", "br"],
    ["gzip, identity", "gzip"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0.1, zstd;q=0.2, gzip;q=0.3", "gzip"],
    ["identity, gzip;q=0.5", "identity"],
    ["gzip;q=0.001", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["br;q=0, *", "zstd"],
    ["br;q=0, zstd;q=0, *;q=0.5", "gzip"],
    ["gzip;q=0", "identity"],
    ["*;q=0", "identity"],
    ["identity;q=0, *;q=0", "identity"],
    ["identity;q=0, gzip", "gzip"],
    ["*;q=0, gzip;q=0.5", "gzip"],
  ])(
    "for Accept-Encoding: %s is %s on Node, and always identity on Workers",
    async ([accept = "", coding = ""]) => {
      const { list, nano } = await scene();
      // The list is held in one coding already: that must not decide.
      const identity = await list(ALICE);
      const headers: Record<string, string> = accept === "(absent)" ? {} : { "accept-encoding": accept };
      const answer = await list(ALICE, { headers });
      // The edge compresses on the way from a Worker to the caller.
      expect(codingOf(answer)).toBe(runtime === "node" ? coding : "identity");
      expect(answer.headers["content-length"]).toBe(String(answer.body.length));
      expect(await decoded(answer)).toEqual(identity.body);
      expect(answer.headers["etag"]).toBe(identity.headers["etag"]);
      expect((await list(ALICE, { headers })).body).toEqual(answer.body);
      expect(nano.lists()).toHaveLength(1);
    },
  );

  test("of the first caller decides nothing for later ones", async () => {
    for (const first of ["br", "gzip", "zstd", "identity"]) {
      const { list } = await scene();
      const answers = [];
      for (const accept of [first, "identity", "br", "gzip", "zstd"]) {
        answers.push(await list(ALICE, { headers: { "accept-encoding": accept } }));
      }
      const bodies = await Promise.all(answers.map(decoded));
      expect(new Set(bodies.map(String)).size).toBe(1);
      expect(JSON.parse(String(bodies[0])).data).toHaveLength(2);
      expect(new Set(answers.map(({ headers }) => headers["etag"])).size).toBe(1);
    }
  });

  test("of one model and of a basic list is the asked one too", async () => {
    const { list } = await scene();
    for (const path of ["/v1/models/openai/gpt-4-turbo", "/basic/v1/models"]) {
      const plain = await list(ALICE, { path });
      const coded = await list(ALICE, { path, headers: { "accept-encoding": "br" } });
      expect(codingOf(coded)).toBe(runtime === "node" ? "br" : "identity");
      expect(await decoded(coded)).toEqual(plain.body);
    }
  });
});
