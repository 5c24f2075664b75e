// `Expect: 100-continue` is answered before the body, never inside another response, and not for a body over the limit.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openConnection } from "../support/connection.ts";
import { ALICE, setup } from "../support/setup.ts";
import { parseAnswers } from "../support/wire-answers.ts";

const CONTINUE = /^HTTP\/1\.1 100 Continue\r\n\r\n/;
const FIELDS = `GET /v1/models HTTP/1.1\nHost: a\nAuthorization: Bearer ${ALICE}\n`;
const LIST = `${FIELDS}\n`;

async function open(settings: Record<string, string> = {}) {
  const { nano, keylane } = await setup(settings);
  return { nano, ...(await openConnection(keylane.url)) };
}

describe("Expect: 100-continue", () => {
  test("is answered before the body is sent, and is not forwarded", async () => {
    const { send, until, nano } = await open();
    send("POST /v1/echo HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 4\n\n");
    await until(CONTINUE);
    send("body");
    await until(/200 OK[^]*body/);
    expect(nano.seen[0]?.headers).not.toHaveProperty("expect");
  });

  test.for([
    ["whose response is stored", FIELDS],
    ["whose response is created", "GET /healthz HTTP/1.1\nHost: a\n"],
  ] as const)("is never answered inside another response, in a pipeline of requests %s", async ([, request]) => {
    const { send, received, until } = await open();
    send(LIST);
    const first = await until(/\]\}$/);
    send(`${request}\n${request}Expect: 100-continue\n\n${request}X-Request-Id: last\n\n`);
    await until(/X-Request-Id: last\r\n[^]*\}$/);
    const answers = parseAnswers(received().slice(first.length), false);
    expect(answers.map(({ status }) => status).filter((status) => status !== 100)).toEqual([200, 200, 200]);
  });

  test("is answered after the responses to earlier requests in the pipeline", async () => {
    const { send, received, until, nano } = await open();
    nano.delay(100);
    send(`${LIST}POST /v1/echo HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 4\n\n`);
    await until(/100 Continue\r\n\r\n$/);
    expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\]\}HTTP\/1\.1 100 Continue\r\n\r\n$/);
    send("body");
    await until(/100 Continue\r\n\r\nHTTP\/1\.1 200 OK[^]*body/);
  });

  test("gets 413, and never 100, for a body over MAX_BODY_SIZE", async () => {
    const { send, until, nano } = await open({ MAX_BODY_SIZE: "1KB" });
    send("POST /v1/echo HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 1025\n\n");
    expect(await until(/body_too_large/)).toMatch(/^HTTP\/1\.1 413 /);
    expect(nano.seen).toHaveLength(0);
  });

  test("does not make a request of the bytes that follow an Upgrade", async () => {
    const { send, ended, nano } = await open();
    nano.delay(100);
    send(`${LIST}POST /v1/echo HTTP/1.1\nHost: a\nUpgrade: h2c\nConnection: upgrade\nExpect: 100-continue\n\n`);
    // In a separate packet, while the list is being fetched.
    await sleep(20);
    send("GET /v1/no-request HTTP/1.1\nHost: a\n\n");
    await ended;
    expect(nano.seen.map(({ target }) => target)).toEqual(["/api/personalized/v1/models", "/api/v1/echo"]);
  });
});
