import { describe, expect, test } from "vitest";
import { ALICE, scene } from "../support/setup.ts";

// What a 304 says as the 200 would; age and ttl go on.
const FIELDS =
  "etag cache-control vary content-type x-request-id access-control-allow-origin access-control-expose-headers";

describe("If-None-Match", () => {
  // ETAG stands for the list's own validator, its quotes included, without W/.
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
  ] as const)("%s gives %i", async ([form, status]) => {
    const { list } = await scene();
    const full = await list(ALICE, { headers: { "x-request-id": "one" } });
    const value = form.replace("ETAG", String(full.headers["etag"]).replace("W/", ""));
    const answers = [];
    for (const method of ["GET", "HEAD"]) {
      answers.push(await list(ALICE, { method, headers: { "if-none-match": value, "x-request-id": "one" } }));
    }
    for (const answer of answers) {
      expect(answer.status).toBe(status);
      if (status === 200) continue;
      expect(answer.body).toHaveLength(0);
      const same = full.headers;
      for (const name of FIELDS.split(" ")) expect([name, answer.headers[name]]).toEqual([name, same[name]]);
      expect(answer.headers["age"]).toMatch(/^\d+$/);
      expect(answer.headers["cache-status"]).toMatch(/^keylane; hit; ttl=\d+$/);
    }
  });

  test("without the validator's quotes names nothing", async () => {
    const { list } = await scene();
    const full = await list(ALICE);
    const validator = String(full.headers["etag"]).replaceAll(/^W\/|"/g, "");
    expect((await list(ALICE, { headers: { "if-none-match": validator } })).status).toBe(200);
  });

  test("names each shape and each model by a validator of its own", async () => {
    const { list, nano } = await scene();
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
