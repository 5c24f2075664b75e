// If-None-Match gives 304 only for the ETag of the same list, model and shape (RFC 9110 §13.1.2).
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

// Headers that a 304 repeats from the 200 unchanged; Age and ttl advance.
const HEADERS =
  "etag cache-control vary content-type x-request-id access-control-allow-origin access-control-expose-headers";

describe("If-None-Match", () => {
  // ETAG is replaced by the list's ETag, quoted and without W/.
  test.for([
    ["W/ETAG", 304],
    ["ETAG", 304],
    ["*", 304],
    [" * ", 304],
    ['"a", W/"b,c" ,W/ETAG', 304],
    ['W/"a", ETAG, "b"', 304],
    ['"a"', 200],
    ['W/"a", W/"b"', 200],
    ['"*"', 200],
    ["bare", 200],
    ['W/"', 200],
  ] as const)("%s gives %i", async ([pattern, status]) => {
    const { list } = await setup();
    const full = await list(ALICE, { headers: { "x-request-id": "one" } });
    const value = pattern.replace("ETAG", String(full.headers["etag"]).replace("W/", ""));
    const answers = [];
    for (const method of ["GET", "HEAD"]) {
      answers.push(await list(ALICE, { method, headers: { "if-none-match": value, "x-request-id": "one" } }));
    }
    for (const answer of answers) {
      expect(answer.status).toBe(status);
      if (status === 200) continue;
      expect(answer.body).toHaveLength(0);
      for (const name of HEADERS.split(" ")) expect([name, answer.headers[name]]).toEqual([name, full.headers[name]]);
      expect(answer.headers["age"]).toMatch(/^\d+$/);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
    }
  });

  test("without the ETag's quotes matches nothing", async () => {
    const { list } = await setup();
    const full = await list(ALICE);
    const unquoted = String(full.headers["etag"]).replaceAll(/^W\/|"/g, "");
    expect((await list(ALICE, { headers: { "if-none-match": unquoted } })).status).toBe(200);
  });

  test("matches one shape and model only: each has its own ETag", async () => {
    const { list, nano } = await setup();
    const row = { id: "a", object: "model", created: 1, owned_by: "x", pricing: { prompt: 1 } };
    nano.fail({ kind: "status", status: 200, body: JSON.stringify({ object: "list", data: [row] }) });
    const paths = ["/v1/models", "/basic/v1/models", "/v1/models/a", "/basic/v1/models/a"];
    const etags = [];
    for (const path of paths) etags.push(String((await list(ALICE, { path })).headers["etag"]));
    expect(new Set(etags).size).toBe(paths.length);
    for (const [i, path] of paths.entries()) {
      for (const [j, etag] of etags.entries()) {
        const { status } = await list(ALICE, { path, headers: { "if-none-match": etag } });
        expect(status).toBe(i === j ? 304 : 200);
      }
    }
  });
});
