import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startProgram } from "../support/program.ts";
import { WITHIN, redisSetup, visibleTo } from "../support/redis-setup.ts";
import { freePort } from "../support/free-port.ts";
import { describeWithRedis } from "../support/redis.ts";
import { ALICE, BOB } from "../support/setup.ts";

describeWithRedis("a Redis that asks who is there", { timeout: 40_000 }, () => {
  test("is used with the password of its URL", async () => {
    const { redis, start, share } = await redisSetup();
    await redis.run("CONFIG", "SET", "requirepass", "se:c/r@t");
    const url = redis.url.replace("//", `//:${encodeURIComponent("se:c/r@t")}@`);
    await share(await start(url), await start(url), ALICE);
  });

  test("is none without the right one, and the log says why without saying it", async () => {
    const { redis, start } = await redisSetup();
    await redis.run("CONFIG", "SET", "requirepass", "secret");
    const [wrong, none] = [await start(redis.url.replace("//", "//:mistaken@")), await start()];
    for (const [one, fault] of [
      [wrong, "WRONGPASS"],
      [none, "NOAUTH"],
    ] as const) {
      // Only once it has tried can it say so.
      await expect
        .poll(async () => {
          expect(await one.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
          await one.purge(ALICE);
          return one.storeLog();
        }, WITHIN)
        .toHaveLength(1);
      expect(await one.storeLog()).toMatchObject([{ level: "warn", error: fault }]);
      expect(await one.isReady()).toBe(true);
      expect((await one.keylane.log()).join("\n")).not.toContain("mistaken");
    }
  });

  test("is used by one who may not publish: peers learn of a purge when they look", async () => {
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
    // A new process has only what Redis has.
    const fresh = await start(url);
    await expect.poll(() => fresh.stored(BOB), WITHIN).toEqual(visibleTo(BOB));
    expect(await fresh.stored(ALICE)).toBeUndefined();
  });

  test("needs only these commands and keys", async () => {
    const { redis, start, share } = await redisSetup();
    const commands =
      "hello ping client subscribe publish hset hget hstrlen hlen hkeys hdel pexpire unlink set multi exec";
    const rights = ["~keylane:*", "&keylane:*", "-@all", ...commands.split(" ").map((name) => `+${name}`)];
    await redis.run("ACL", "SETUSER", "keylane", "on", ">secret", "resetkeys", "resetchannels", ...rights);
    const url = redis.url.replace("//", "//keylane:secret@");
    const [one, other] = [await start(url), await start(url)];
    await share(one, other, ALICE);
    await other.list(ALICE);
    await expect.poll(() => one.purge(ALICE).then(() => other.stored(ALICE)), WITHIN).toBeUndefined();
    expect(await redis.run("ACL", "LOG")).toEqual([]);
  });
});

describeWithRedis("a Redis behind TLS", { timeout: 40_000 }, () => {
  test("is used where its certificate is trusted, and is none where it is not", async () => {
    const { certificate, options } = withCertificate();
    const port = await freePort();
    const { nano, redis, start } = await redisSetup([...options, "--tls-port", String(port)]);
    const url = `rediss://127.0.0.1:${port}`;
    const settings = {
      UPSTREAM_URL: nano.url,
      REDIS_URL: url,
      CACHE_SECRET: "a secret that all of them share",
    };
    const trusting = await startProgram({ ...settings, NODE_EXTRA_CA_CERTS: certificate });
    const wary = await start(url);
    const ask = () => fetch(`${trusting.url}/v1/models`, { headers: { authorization: `Bearer ${ALICE}` } });
    const keys = async () => {
      await fetch(`${trusting.url}/v1/models`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${ALICE}` },
      });
      expect((await ask()).status).toBe(200);
      return Number(await redis.run("DBSIZE"));
    };
    expect(await wary.list(ALICE)).toMatchObject({ status: 200, ids: visibleTo(ALICE) });
    expect(await redis.run("DBSIZE")).toBe(0);
    await expect.poll(keys, WITHIN).toBeGreaterThan(0);
    const clients = String(await redis.run("CLIENT", "LIST"));
    expect(clients).toContain("resp=3");
  });
});

function withCertificate(): { certificate: string; options: string[] } {
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
