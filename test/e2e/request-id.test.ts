import { describe, expect, test } from "vitest";
import { ALICE, scene } from "../support/setup.ts";

const NEW = /^[0-9a-f]{32}$/;

describe("X-Request-Id", () => {
  test.for(["req_1", "a.b:c-d", "0b0b9d2e-6a3c-4c7e-9d6e-1f2a3b4c5d6e", "x".repeat(128)])(
    "is the caller's when it is sane: %s",
    async (id) => {
      const { list, keylane } = await scene();
      for (const path of ["/v1/models", "/v1/models/unknown", "/foo", "/healthz"]) {
        const answer = await list(ALICE, { path, headers: { "x-request-id": id } });
        expect(answer.headers["x-request-id"]).toBe(id);
      }
      const logged = (await keylane.log()).map((line) => JSON.parse(line) as { id?: string; msg: string });
      expect(logged.filter(({ msg }) => msg === "request").map((line) => line.id)).toEqual([id, id, id, id]);
    },
  );

  test.for([
    ["too long", "x".repeat(129)],
    ["of characters that mean something in a log", '{"a":1}'],
    ["with spaces", "a b"],
    ["beyond ASCII", "caf\u00e9"],
    ["the key", ALICE],
    ["a part of the key", ALICE.slice(8)],
    ["the key and more", `${ALICE}-1`],
    ["more and the key", `req.${ALICE}`],
    ["somebody else's key", "sk-nano-test-carol"],
  ])("is a new one when the caller's is %s", async ([, id = ""]) => {
    const { call, keylane } = await scene();
    for (const name of ["authorization", "x-api-key"]) {
      const credential = name === "authorization" ? `Bearer ${ALICE}` : ALICE;
      const answer = await call("/v1/models", { headers: { [name]: credential, "x-request-id": id } });
      expect(answer.status).toBe(200);
      expect(answer.headers["x-request-id"]).toMatch(NEW);
    }
    const log = (await keylane.log()).join("\n");
    expect(log).toContain('"msg":"request"');
    expect(log).not.toContain(JSON.stringify(id).slice(1, -1));
  });

  test("is never the same twice where none was sent", async () => {
    const { list } = await scene();
    const ids = [await list(ALICE), await list(ALICE)].map(({ headers }) => headers["x-request-id"]);
    for (const id of ids) expect(id).toMatch(NEW);
    expect(new Set(ids).size).toBe(2);
  });
});
