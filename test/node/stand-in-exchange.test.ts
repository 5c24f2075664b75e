// The stand-in for NanoGPT pauses, delays, refuses and echoes requests as a test asks it to.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { patternBytes } from "../support/nanogpt/bytes.ts";
import { startNanoGpt, type NanoGpt } from "../support/nanogpt/nanogpt.ts";

const LIST = "/api/v1/models";
let nanogpt: NanoGpt;
beforeAll(async () => {
  nanogpt = await startNanoGpt();
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

const request = (path: string, init?: RequestInit) => fetch(`${nanogpt.origin}${path}`, init);

describe("a request to the stand-in", () => {
  test("waits while it is on hold or delayed, until the stand-in stops", async () => {
    const hold = nanogpt.hold();
    const onHold = request(LIST);
    await hold.arrived;
    expect((await request(LIST)).status).toBe(200);
    hold.release();
    expect((await onHold).status).toBe(200);
    const other = await startNanoGpt();
    other.delay(3_600_000);
    const delayed = fetch(`${other.url}/v1/models`);
    await expect.poll(() => other.seen.length).toBe(1);
    await other.stop();
    await expect(delayed).rejects.toThrow();
    expect(other.seen[0]?.aborted).toBe(false);
  });

  test("cannot connect while the stand-in is paused", async () => {
    await nanogpt.pause();
    await expect(request(LIST)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    await nanogpt.resume();
    expect((await request(LIST)).status).toBe(200);
  });

  test("is echoed byte for byte, and byte routes send the requested number of bytes", async () => {
    const body = patternBytes(200_000);
    const response = await request("/api/v1/echo/a%2Fb?c=%20d", { method: "PUT", body });
    expect(response.headers.get("x-echo-target")).toBe("/api/v1/echo/a%2Fb?c=%20d");
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
    expect(nanogpt.seen[0]).toMatchObject({ method: "PUT", complete: true, aborted: false });
    for (const path of ["/bytes?n=200000", "/bytes?n=200000&gzip=1", "/slow-bytes?n=200000&ms=1"]) {
      const bytes = await (await request(`/api/v1${path}`)).arrayBuffer();
      expect(Buffer.from(bytes).equals(body), path).toBe(true);
    }
  });
});
