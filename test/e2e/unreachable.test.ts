// An unreachable upstream, and connections that it closes, give clean errors; Retry-After is passed on when it is valid.
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { startRawUpstream } from "../support/raw-upstream.ts";
import { ALICE, BOB, setup } from "../support/setup.ts";
import { errorOf, OLD } from "../support/stale-setup.ts";

const UNREACHABLE = { status: 502, code: "upstream_unreachable" };

/** Upstream URLs without a NanoGPT behind them. */
const BAD_URLS: Readonly<Record<string, () => Promise<string>>> = {
  "a host name that does not resolve": async () => "http://nowhere.invalid/api",
  "a port where nothing listens": async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return `http://127.0.0.1:${port}/api`;
  },
  "https to a plain HTTP server": async () => {
    const nano = await startNanoGpt({ accounts: [{ key: ALICE }] });
    onTestFinished(() => nano.stop());
    return nano.url.replace("http:", "https:");
  },
  "plain HTTP to a TLS server": async () => (await startRawUpstream("\x15\x03\x03\x00\x02\x02\x46")).url,
  "a server that closes every connection on the first request": async () => (await startRawUpstream("")).url,
  "a server that resets every connection on the first request": async () =>
    (await startRawUpstream((socket) => void socket.resetAndDestroy())).url,
};

describe("an UPSTREAM_URL where no NanoGPT answers", () => {
  test.for(Object.entries(BAD_URLS))("gives an error that names the setting: %s", async ([, url]) => {
    const { list, call } = await setup({ UPSTREAM_URL: await url() });
    const answer = await list(ALICE);
    expect(errorOf(answer)).toEqual(UNREACHABLE);
    expect(answer.json().error.message).toContain("UPSTREAM_URL");
    expect(answer.headers["retry-after"]).toBe("5");
    expect((await call("/healthz")).status).toBe(200);
  });
});

describe("connections that upstream closes while the next request is sent", () => {
  test.for(["keep-alive-close", "early-second"] as const)(
    "give each client its own list or a clean error: %s",
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

describe("upstream's Retry-After, with each transient status, becomes a valid one", () => {
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
  test.for(forms)("%j", async ([value, expected]) => {
    for (const status of [408, 425, 429, 500, 503]) {
      const { list, nano } = await setup();
      nano.fail({ kind: "status", status, headers: { "retry-after": value } });
      expect((await list(ALICE)).headers["retry-after"], String(status)).toMatch(expected);
    }
  });
});
