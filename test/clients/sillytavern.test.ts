// SillyTavern's server lists each key's own models and chats through Keylane.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { ALICE, BOB } from "../support/setup.ts";
import { describeIfInstalled, installedPath } from "./installed.ts";
import { RUNTIMES, MODEL, PROMPT, REPLY, startOn, VISIBLE } from "./keylanes.ts";

// The tests send the requests that SillyTavern's page sends to its server.
describeIfInstalled("sillytavern")("SillyTavern, with a Custom (OpenAI-compatible) connection", () => {
  let tavern: Tavern;
  // The server builds its page first.
  beforeAll(async () => {
    tavern = await startTavern();
    return () => tavern.stop();
  }, 180_000);

  const connect = async (custom_url: string, key: string) => {
    await tavern.post("/api/secrets/write", { key: "api_key_custom", value: key });
    const connection = { chat_completion_source: "custom", custom_url };
    return (path: string, fields: object = {}) =>
      tavern.post(`/api/backends/chat-completions${path}`, { ...connection, ...fields });
  };

  test.for(RUNTIMES)("lists a key's models and chats, plain and streamed, with Keylane on %s", async (runtime) => {
    const { url } = await startOn(runtime);
    const send = await connect(`${url}/v1`, ALICE);
    const { data } = (await (await send("/status")).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id).sort()).toEqual(VISIBLE);
    const chat = { model: MODEL, messages: [{ role: "user", content: PROMPT }] };
    expect(await (await send("/generate", chat)).json()).toMatchObject({
      choices: [{ message: { content: REPLY } }],
    });
    expect(textOf(await (await send("/generate", { ...chat, stream: true })).text())).toBe(REPLY);
  });

  test("shows each key its own list", async () => {
    const { url } = await startOn("node");
    const idsOf = async (key: string) => {
      const send = await connect(`${url}/v1`, key);
      const { data } = (await (await send("/status")).json()) as { data: { id: string }[] };
      return data.map(({ id }) => id).sort();
    };
    expect(await idsOf(ALICE)).toEqual(VISIBLE);
    expect(await idsOf(BOB)).toEqual(["NousResearch/hermes-4-70b"]);
  });
});

interface Chunk {
  choices: { delta: { content?: string } }[];
}

function textOf(events: string): string {
  const data = [...events.matchAll(/^data: (\{.*\})$/gm)].map(([, json = ""]) => JSON.parse(json) as Chunk);
  return data.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}

interface Tavern {
  post(path: string, body: object): Promise<Response>;
  stop(): Promise<void>;
}

/** Starts the server on a free port, with its data in a folder that `stop` removes. */
async function startTavern(): Promise<Tavern> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-tavern-"));
  const port = await freePort();
  const options = {
    port: String(port),
    dataRoot: join(folder, "data"),
    configPath: join(folder, "config.yaml"),
    listen: "false",
    browserLaunchEnabled: "false",
    disableCsrf: "true",
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [installedPath("sillytavern/server.js"), ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilListening(child.stdout, exited);
  } catch (error) {
    await stop();
    throw error;
  }
  child.stdout.resume();
  return {
    post: (path, body) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      }),
    stop,
  };
}

async function untilListening(stdout: Readable, exited: Promise<unknown>): Promise<void> {
  let output = "";
  while (!output.includes("is listening on")) {
    const ended = exited.then(() => Promise.reject(new Error(`SillyTavern did not start: ${output}`)));
    const [data] = (await Promise.race([once(stdout, "data"), ended])) as [Buffer];
    output += data.toString();
  }
}
