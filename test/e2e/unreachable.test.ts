import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, BOB, setup } from "../support/setup.ts";
import { errorOf, OLD } from "../support/stale-setup.ts";

const UNREACHABLE = { status: 502, code: "upstream_unreachable" };

/** Upstream URLs behind which no NanoGPT is to be had. */
const NOWHERE: Readonly<Record<string, () => Promise<string>>> = {
  "a host without an address": async () => "http://nowhere.invalid/api",
  "a port where nobody listens": async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return `http://127.0.0.1:${port}/api`;
  },
  "https where plain HTTP is spoken": async () => {
    const nano = await startNanoGpt({ accounts: [{ key: ALICE }] });
    onTestFinished(() => nano.stop());
    return nano.url.replace("http:", "https:");
  },
  "plain HTTP where TLS is spoken": async () => (await startRawUpstream("\x15\x03\x03\x00\x02\x02\x46")).url,
  "a server that closes as soon as it is asked": async () => (await startRawUpstream("")).url,
  "a server that resets as soon as it is asked": async () =>
    (await startRawUpstream((socket) => void socket.resetAndDestroy())).url,
};

describe("an UPSTREAM_URL that leads nowhere", () => {
  test.for(Object.entries(NOWHERE))("is an error that says so: %s", async ([, url]) => {
    const { list, call } = await setup({ UPSTREAM_URL: await url() });
    const answer = await list(ALICE);
    expect(errorOf(answer)).toEqual(UNREACHABLE);
    expect(answer.json().error.message).toContain("UPSTREAM_URL");
    expect(answer.headers["retry-after"]).toBe("5");
    expect((await call("/healthz")).status).toBe(200);
  });
});

describe("connections that upstream closes as the next call goes out", () => {
  test.for(["keep-alive-close", "early-second"] as const)(
    "bring each client a list of their own or a clean error: %s",
    async (kind) => {
      const { list, nano } = await setup();
      nano.fail({ kind });
      const headers = { "cache-control": "no-store" };
      for (let round = 0; round < 15; round++) {
        for (const [key, ids] of [
          [ALICE, OLD],
          [BOB, ["NousResearch/hermes-4-70b"]],
        ] as const) {
          const answer = await list(key, { headers });
          if (answer.status === 200) expect(answer.ids()).toEqual(ids);
          else expect(answer.status).toBe(502);
        }
      }
      nano.fail(undefined);
      expect((await list(BOB, { path: "/paid/v1/models" })).status).toBe(200);
    },
  );
});

describe("upstream's Retry-After, in any form and with any status that means later", () => {
  const forms: readonly (readonly [string, RegExp])[] = [
    ["30", /^30$/],
    [" 30 ", /^30$/],
    ["0", /^5$/],
    ["0030", /^30$/],
    ["-30", /^5$/],
    ["+30", /^5$/],
    ["30.5", /^5$/],
    ["3e1", /^5$/],
    ["30, 40", /^5$/],
    ["30 seconds", /^5$/],
    ["soon", /^5$/],
    ["in 2099", /^5$/],
    ["", /^5$/],
    ["Thu, 01 Jan 1970 00:00:00 GMT", /^5$/],
    ["Fri, 31 Dec 9999 23:59:59 GMT", /^\d{10}$/],
    ["99999999999999999999", /^2147483648$/],
  ];
  test.for(forms)("%j", async ([said, received]) => {
    for (const status of [408, 425, 429, 500, 503]) {
      const { list, nano } = await setup();
      nano.fail({ kind: "status", status, headers: { "retry-after": said } });
      expect((await list(ALICE)).headers["retry-after"], String(status)).toMatch(received);
    }
  });
});
