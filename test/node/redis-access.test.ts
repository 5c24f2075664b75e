// Redis with passwords, access rights or TLS is used as the operator set it up, or not at all.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { CACHE_SECRET } from "../support/peers.ts";
import { startProgram } from "../support/program.ts";
import { RECONNECT_POLL, redisSetup, visibleTo } from "../support/redis-setup.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

describeWithRedis("a Redis with access control", { timeout: 40_000 }, () => {
  test("is used with the password in REDIS_URL", async () => {
    const { redis, start, share } = await redisSetup();
    await redis.run("CONFIG", "SET", "requirepass", "se:c/r@t");
    const url = redis.url.replace("//", `//:${encodeURIComponent("se:c/r@t")}@`);
    await share(await start(url), await start(url), ALICE);
  });

  test("is not used with a wrong password or none, and the log has the reason but no password", async () => {
    const { redis, start } = await redisSetup();
    await redis.run("CONFIG", "SET", "requirepass", "secret");
    const [wrong, none] = [await start(redis.url.replace("//", "//:mistaken@")), await start()];
    for (const [one, error] of [
      [wrong, "WRONGPASS"],
      [none, "NOAUTH"],
    ] as const) {
      // The error is logged after the first attempt.
      await expect
        .poll(async () => {
          expect(await one.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
          await one.purge(ALICE);
          return one.storeLog();
        }, RECONNECT_POLL)
        .toHaveLength(1);
      expect(await one.storeLog()).toMatchObject([{ level: "warn", error }]);
      expect(await one.isReady()).toBe(true);
      expect((await one.keylane.log()).join("\n")).not.toContain("mistaken");
    }
  });

  test("is used without the right to publish: peers notice a purge when they next read", async () => {
    const { redis, start, share } = await redisSetup();
    await redis.run("ACL", "SETUSER", "keylane", "on", ">secret", "~keylane:*", "+@all", "-@pubsub");
    const url = redis.url.replace("//", "//keylane:secret@");
    const [one, other] = [await start(url), await start(url)];
    await share(one, other, BOB);
    await share(one, other, ALICE);
    await other.list(ALICE);
    expect(await one.purge(ALICE)).toBe(204);
    expect(await one.stored(ALICE)).toBeUndefined();
    expect(await other.stored(ALICE)).toEqual(visibleTo(ALICE));
    expect((await one.storeLog()).filter(({ error }) => error === "NOPERM")).toEqual([]);
    // The only lists of a new process are in Redis.
    const newProcess = await start(url);
    await expect.poll(() => newProcess.stored(BOB), RECONNECT_POLL).toEqual(visibleTo(BOB));
    expect(await newProcess.stored(ALICE)).toBeUndefined();
  });

  test("needs to allow only these commands and keys", async () => {
    const { redis, start, share } = await redisSetup();
    const commands =
      "hello ping client subscribe publish hset hget hstrlen hlen hkeys hdel pexpire unlink set multi exec";
    const rights = ["~keylane:*", "&keylane:*", "-@all", ...commands.split(" ").map((name) => `+${name}`)];
    await redis.run("ACL", "SETUSER", "keylane", "on", ">secret", "resetkeys", "resetchannels", ...rights);
    const url = redis.url.replace("//", "//keylane:secret@");
    const [one, other] = [await start(url), await start(url)];
    await share(one, other, ALICE);
    await other.list(ALICE);
    await expect.poll(() => one.purge(ALICE).then(() => other.stored(ALICE)), RECONNECT_POLL).toBeUndefined();
    expect(await redis.run("ACL", "LOG")).toEqual([]);
  });
});

describeWithRedis("a Redis behind TLS", { timeout: 40_000 }, () => {
  test("is used only if its certificate is trusted", async () => {
    const { certificate, options } = createCertificate();
    const port = await freePort();
    const { nano, redis, start } = await redisSetup([...options, "--tls-port", String(port)]);
    const url = `rediss://127.0.0.1:${port}`;
    const trusting = await startProgram({
      UPSTREAM_URL: nano.url,
      REDIS_URL: url,
      CACHE_SECRET,
      NODE_EXTRA_CA_CERTS: certificate,
    });
    const distrusting = await start(url);
    const headers = { authorization: `Bearer ${ALICE}` };
    const keyCount = async () => {
      await fetch(`${trusting.url}/v1/models`, { method: "DELETE", headers });
      expect((await fetch(`${trusting.url}/v1/models`, { headers })).status).toBe(200);
      return Number(await redis.run("DBSIZE"));
    };
    expect(await distrusting.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(await redis.run("DBSIZE")).toBe(0);
    await expect.poll(keyCount, RECONNECT_POLL).toBeGreaterThan(0);
    expect(String(await redis.run("CLIENT", "LIST"))).toContain("resp=3");
  });
});

function createCertificate(): { certificate: string; options: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "keylane-tls-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [certificate, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  execFileSync(
    "openssl",
    [...args.split(" "), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
    { stdio: "ignore" },
  );
  return {
    certificate,
    options: ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"],
  };
}
