// A list fetch sends upstream the credential, Origin and query, and nothing else of the client's request.
import { describe, expect, test } from "vitest";
import { runtime } from "../support/keylane.ts";
import { ALICE, setup } from "../support/setup.ts";

describe("a list fetch", () => {
  // Headers that the runtime's own HTTP client adds.
  const RUNTIME_HEADERS =
    runtime === "node" ? ["connection", "host"] : ["cache-control", "connection", "host", "pragma"];
  const KEYLANE_HEADERS = ["accept", "accept-encoding", "authorization", "user-agent"];

  test.each([
    { from: "Authorization", credential: { authorization: `Bearer ${ALICE}` } },
    { from: "x-api-key", credential: { "x-api-key": ALICE } },
  ])("sends only the credential from $from, Origin, query and Keylane's own headers", async ({ credential }) => {
    const { call, nano } = await setup();
    const sent = {
      ...credential,
      origin: "https://chat.example.org",
      accept: "text/plain",
      "accept-encoding": "zstd",
      "accept-language": "de",
      "user-agent": "SomeTool/1.0",
      "cache-control": "no-cache",
      cookie: "session=1",
      referer: "https://chat.example.org/page",
      "if-none-match": '"x"',
      "x-forwarded-for": "192.0.2.7",
      forwarded: "for=192.0.2.7",
      "x-request-id": "abc",
      "openai-organization": "org",
      "x-stainless-os": "Linux",
      "anthropic-version": "2023-06-01",
      "sec-fetch-mode": "navigate",
    };
    await call("/v1/models?sort=favorites&team=7", { headers: sent });
    const [seen] = nano.seen;
    const names = Object.keys(seen?.headers ?? {}).filter((name) => !RUNTIME_HEADERS.includes(name));
    expect(new Set(names)).toEqual(new Set([...KEYLANE_HEADERS, "origin"]));
    expect(seen?.headers.authorization).toBe(`Bearer ${ALICE}`);
    expect(seen?.headers.accept).toBe("application/json");
    expect(seen?.headers["accept-encoding"]).toMatch(/^(gzip, br|br, gzip)$/);
    expect(seen?.headers["user-agent"]).toMatch(/^keylane\/\d+\.\d+\.\d+$/);
    expect(seen?.target).toBe("/api/personalized/v1/models?sort=favorites&team=7");
    expect([seen?.method, seen?.body.length]).toEqual(["GET", 0]);
  });

  test("is a GET for a HEAD request, without an Origin if the client sent none", async () => {
    const { list, nano } = await setup();
    expect((await list(ALICE, { method: "HEAD" })).status).toBe(200);
    expect(nano.seen[0]?.method).toBe("GET");
    expect(nano.seen[0]?.headers.origin).toBeUndefined();
  });
});
