// `npm run demo` prints curl commands that work when pasted: a list, the same list as a hit, a streamed chat.
import { exec, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const run = promisify(exec);
const root = new URL("../../", import.meta.url).pathname;

test("the demo's three curl commands work: a list, the same list as a hit, a streamed chat", async () => {
  const demo = spawn(process.execPath, ["test/support/demo.ts"], {
    cwd: root,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(demo, "exit");
  onTestFinished(async () => {
    demo.kill("SIGKILL");
    await exited;
  });
  let printed = "";
  for await (const data of demo.stdout) {
    printed += String(data);
    if (printed.includes("Ctrl-C")) break;
  }
  const [first = "", again = "", chat = ""] = printed.split("\n").filter((line) => line.startsWith("curl "));
  const options = { shell: "/bin/bash" };

  const list = '{"object":"list","data":[{"id":"abacusai/';
  const miss = await run(first, options);
  expect(miss.stdout).toMatch(/^cache-status: keylane; fwd=uri-miss; stored\r$/im);
  expect(miss.stdout).toContain(list);
  const hit = await run(again, options);
  expect(hit.stdout).toMatch(/^cache-status: keylane; hit; ttl=\d+\r$/im);
  expect(hit.stdout).toContain(list);
  const streamed = await run(chat, options);
  expect(streamed.stdout).toMatch(/^data: \{.*"object":"chat\.completion\.chunk"/);
  expect(streamed.stdout.trimEnd().endsWith("data: [DONE]")).toBe(true);

  demo.kill("SIGINT");
  const [code] = await exited;
  expect(code).toBe(0);
});
