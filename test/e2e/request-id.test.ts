// X-Request-Id is the client's where it is safe to log, else a new one, in the response and in the log.
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

const GENERATED = /^[0-9a-f]{32}$/;

describe("X-Request-Id", () => {
  test.for(["req_1", "a.b:c-d", "0b0b9d2e-6a3c-4c7e-9d6e-1f2a3b4c5d6e", "x".repeat(128)])(
    "is the client's where it is valid: %s",
    async (id) => {
      const { list, keylane } = await setup();
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
    ["of characters with a meaning in JSON", '{"a":1}'],
    ["with spaces", "a b"],
    ["beyond ASCII", "caf\u00e9"],
    ["the key", ALICE],
    ["a part of the key", ALICE.slice(8)],
    ["the key and a suffix", `${ALICE}-1`],
    ["a prefix and the key", `req.${ALICE}`],
    ["another key", "sk-nano-test-carol"],
  ])("is a new one when the client's is %s", async ([, id = ""]) => {
    const { call, keylane } = await setup();
    for (const name of ["authorization", "x-api-key"]) {
      const credential = name === "authorization" ? `Bearer ${ALICE}` : ALICE;
      const answer = await call("/v1/models", { headers: { [name]: credential, "x-request-id": id } });
      expect(answer.status).toBe(200);
      expect(answer.headers["x-request-id"]).toMatch(GENERATED);
    }
    const log = (await keylane.log()).join("\n");
    expect(log).toContain('"msg":"request"');
    expect(log).not.toContain(JSON.stringify(id).slice(1, -1));
  });

  test("is unique where none was sent", async () => {
    const { list } = await setup();
    const ids = [await list(ALICE), await list(ALICE)].map(({ headers }) => headers["x-request-id"]);
    for (const id of ids) expect(id).toMatch(GENERATED);
    expect(new Set(ids).size).toBe(2);
  });
});
