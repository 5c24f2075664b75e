// A list response has the validators, age and content coding its request negotiates, and nothing of upstream's headers.
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { ALICE, setup, type Answer } from "../support/setup.ts";

// Fields of the connection, not of the representation.
const CONNECTION = new Set(["date", "connection", "keep-alive"]);
const headersOf = ({ headers }: Answer) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION.has(name)));
const decoders: Record<string, (bytes: Buffer) => Promise<Buffer>> = {
  br: promisify(zlib.brotliDecompress),
  gzip: promisify(zlib.gunzip),
  zstd: promisify(zlib.zstdDecompress),
};
const codingOf = ({ headers }: Answer) => String(headers["content-encoding"] ?? "identity");
/** The body without its content coding. */
async function decode(answer: Answer): Promise<Buffer> {
  return (await decoders[codingOf(answer)]?.(answer.body)) ?? answer.body;
}

describe("a list response", () => {
  test("is JSON with Content-Length, ETag, Age and Vary", async () => {
    const { list, keylane } = await setup();
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

  test("has no header of upstream's response", async () => {
    const { list, nano } = await setup();
    const first = await list(ALICE);
    const headers = { "x-secret": "upstream's", "content-language": "de", etag: '"theirs"', age: "7" };
    nano.fail({ kind: "status", status: 200, body: first.text, headers });
    const actual = headersOf(await list(ALICE, { path: "/v1/models?sort=name" }));
    const expected =
      "access-control-allow-origin access-control-expose-headers age cache-control cache-status " +
      "content-length content-type etag vary x-request-id";
    expect(Object.keys(actual).sort()).toEqual(expected.split(" "));
    expect(actual).toMatchObject({ age: "0", "cache-control": "private, no-cache" });
    expect(actual["etag"]).not.toBe('"theirs"');
  });

  test("has the same ETag as long as its bytes are the same, and another when they change", async () => {
    const { list, keylane, nano } = await setup();
    const first = await list(ALICE);
    await keylane.advance(400_000);
    const second = await list(ALICE);
    expect(nano.lists()).toHaveLength(2);
    expect(second.headers["etag"]).toBe(first.headers["etag"]);
    nano.hide(ALICE, "openai/gpt-4-turbo");
    await keylane.advance(400_000);
    expect((await list(ALICE)).headers["etag"]).not.toBe(first.headers["etag"]);
  });

  test("to HEAD has the same headers and no body", async () => {
    const { list, keylane, nano } = await setup();
    await list(ALICE);
    // Off a full second, so that age and ttl are the same in both responses.
    await keylane.advance(300);
    for (const path of ["/v1/models", "/v1/models/openai/gpt-4-turbo"]) {
      const headers = { "accept-encoding": "gzip", "x-request-id": "one" };
      const get = await list(ALICE, { path, headers });
      const head = await list(ALICE, { method: "HEAD", path, headers });
      expect(head.status).toBe(200);
      expect(headersOf(head)).toEqual(headersOf(get));
      expect(head.headers["content-length"]).toBe(String(get.body.length));
      expect(head.body).toHaveLength(0);
    }
    expect(nano.lists()).toHaveLength(1);
  });
});

describe("the content coding", () => {
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
  ])("for Accept-Encoding: %s is %s on Node, and always identity on Workers", async ([accept = "", coding = ""]) => {
    const { list, nano } = await setup();
    // The list is already stored in one coding, which must not decide.
    const identity = await list(ALICE);
    const headers: Record<string, string> = accept === "(absent)" ? {} : { "accept-encoding": accept };
    const answer = await list(ALICE, { headers });
    // Cloudflare's edge compresses responses of a Worker.
    expect(codingOf(answer)).toBe(runtime === "node" ? coding : "identity");
    expect(answer.headers["content-length"]).toBe(String(answer.body.length));
    expect(await decode(answer)).toEqual(identity.body);
    expect(answer.headers["etag"]).toBe(identity.headers["etag"]);
    expect((await list(ALICE, { headers })).body).toEqual(answer.body);
    expect(nano.lists()).toHaveLength(1);
  });

  test("of the first response does not affect later ones", async () => {
    for (const first of ["br", "gzip", "zstd", "identity"]) {
      const { list } = await setup();
      const answers = [];
      for (const accept of [first, "identity", "br", "gzip", "zstd"]) {
        answers.push(await list(ALICE, { headers: { "accept-encoding": accept } }));
      }
      const bodies = await Promise.all(answers.map(decode));
      expect(new Set(bodies.map(String)).size).toBe(1);
      expect(JSON.parse(String(bodies[0])).data).toHaveLength(2);
      expect(new Set(answers.map(({ headers }) => headers["etag"])).size).toBe(1);
    }
  });

  test("of one model and of a basic list is negotiated too", async () => {
    const { list } = await setup();
    for (const path of ["/v1/models/openai/gpt-4-turbo", "/basic/v1/models"]) {
      const plain = await list(ALICE, { path });
      const coded = await list(ALICE, { path, headers: { "accept-encoding": "br" } });
      expect(codingOf(coded)).toBe(runtime === "node" ? "br" : "identity");
      expect(await decode(coded)).toEqual(plain.body);
    }
  });
});
