import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { bombBytes } from "../support/nanogpt/broken-codings.ts";
import { startNanoGpt, type NanoGpt } from "../support/nanogpt/nanogpt.ts";
import { rawCall, type RawResponse } from "../support/nanogpt/raw-call.ts";

const LIST = "/api/v1/models";
let nanogpt: NanoGpt;
let good: string;
beforeAll(async () => {
  nanogpt = await startNanoGpt({ accounts: [{ key: "a", visible: ["aion-labs/aion-1.0"] }] });
  good = (await heard()).body.toString();
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

async function heard(): Promise<RawResponse> {
  const answer = await rawCall(nanogpt.origin, LIST, ["X-API-Key: a"]);
  await nanogpt.seen.at(-1)?.closed;
  return answer;
}

describe("a fault with something to choose", () => {
  test.for([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
    ["gzip, gzip", (body: Buffer) => gunzipSync(gunzipSync(body))],
  ] as const)("bomb is small, and large when decoded: %s", async ([coding, decode]) => {
    nanogpt.fail({ kind: "bomb", coding, status: 403 });
    const { head, body } = await heard();
    expect(head).toMatch(/^HTTP\/1.1 403 /);
    expect(head).toContain(`content-encoding: ${coding}\r\n`);
    expect(body.length).toBeLessThan(70_000);
    expect(decode(body).length).toBeGreaterThan(bombBytes);
  });

  test.for([
    ["interim answers", /(?:HTTP\/1.1 103 [^]*){20}$/],
    ["headers", /^HTTP\/1.1 200 [^\r]*(?:\r\nX-Endless: x+){20}\r/],
    ["body", /chunked\r\n\r\n[^]*aion-labs[^]*(?:\r\n2710\r\n +){20}/],
  ] as const)("endless goes on and on: %s", async ([part, pattern]) => {
    nanogpt.fail({ kind: "endless", part, everyMs: 5 });
    const open = await openConnection(nanogpt.origin);
    open.send(`GET ${LIST} HTTP/1.1\nHost: standin\n\n`);
    await expect(open.until(pattern)).resolves.toMatch(pattern);
  });

  test("raw sends the given bytes, and treats the connection as given", async () => {
    for (const after of ["close", "reset", "stay"] as const) {
      nanogpt.fail(
        { kind: "raw", head: ["HTTP/1.1 1 \xe9", "L: LENGTH LENGTH16"], body: "<GOOD>", after },
        { times: 1 },
      );
      const { head, body, end } = await heard();
      expect(head).toBe(`HTTP/1.1 1 \xe9\r\nL: ${good.length} ${good.length.toString(16)}\r\n\r\n`);
      expect([body.toString(), end]).toEqual([`<${good}>`, { close: "fin", reset: "reset", stay: "none" }[after]]);
    }
  });

  test.for([
    ["cut", "fin"],
    ["hang", "none"],
  ] as const)("of a status may %s", async ([end, heardEnd]) => {
    nanogpt.fail({ kind: "status", status: 403, body: "No.", end });
    const answer = await heard();
    expect([answer.body.toString(), Number(/content-length: (\d+)/i.exec(answer.head)?.[1]), answer.end]).toEqual([
      "No.",
      103,
      heardEnd,
    ]);
  });
});
