// Keylane writes no file, and no key is visible in its environment or command line.
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCanary } from "../support/key-search.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { startProgram } from "../support/program.ts";
import {
  LIST_REQUESTS,
  PASSTHROUGH_REQUESTS,
  REFUSED_REQUESTS,
  sendRaw,
  serializeRequest,
} from "../support/key-carrying-requests.ts";

const REQUESTS = [...LIST_REQUESTS, ...PASSTHROUGH_REQUESTS, ...REFUSED_REQUESTS];
// Directories in which a program commonly writes files.
const DIRECTORIES = [
  "CWD",
  "HOME",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "XDG_RUNTIME_DIR",
];
// Changes the working directory before anything else runs.
const CHANGE_DIRECTORY = "--import=data:text/javascript,process.chdir(process.env.CWD)";

async function started() {
  const folder = await mkdtemp(join(tmpdir(), "keylane-disk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const directories = Object.fromEntries(DIRECTORIES.map((name) => [name, join(folder, name)]));
  await Promise.all(Object.values(directories).map((directory) => mkdir(directory)));
  const { key, tracesIn } = createCanary();
  const nano = await startNanoGpt({ accounts: [{ key }] });
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    LOG_LEVEL: "trace",
    LIST_TIMEOUT: "300ms",
    NODE_OPTIONS: CHANGE_DIRECTORY,
    ...directories,
  });
  return {
    nano,
    program,
    tracesIn,
    /** Sends requests of every kind, while upstream answers and while it is down. */
    sendAll: async () => {
      await Promise.all(REQUESTS.map((request) => sendRaw(program.url, serializeRequest(request, key))));
      await nano.pause();
      await Promise.all(REQUESTS.map((request) => sendRaw(program.url, serializeRequest(request, key))));
    },
    /** Every file below the directories. */
    files: async () => (await readdir(folder, { recursive: true })).filter((name) => !DIRECTORIES.includes(name)),
  };
}

test("no request and no stop creates a file", { retry: 0 }, async () => {
  const { program, sendAll, files } = await started();
  await sendAll();
  expect(await files()).toEqual([]);
  program.child.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  expect(await files()).toEqual([]);
});

test("no file is open for writing, and neither environment nor command line contains a key", async ({ skip }) => {
  skip(!existsSync("/proc/self/fdinfo"), "only Linux shows the open files of another process");
  const { program, tracesIn, sendAll } = await started();
  const proc = `/proc/${program.child.pid}`;
  await sendAll();
  expect(readlinkSync(`${proc}/cwd`)).toMatch(/CWD$/);
  expect(readdirSync(`${proc}/fd`).flatMap((fd) => openForWriting(proc, fd))).toEqual([]);
  for (const name of ["environ", "cmdline"]) {
    const received = readFileSync(`${proc}/${name}`);
    expect(received.length).toBeGreaterThan(0);
    expect(tracesIn(received), name).toEqual([]);
  }
});

/** The path of a descriptor's regular file, if it is open for writing. */
function openForWriting(proc: string, fd: string): string[] {
  const stats = statSync(`${proc}/fd/${fd}`, { throwIfNoEntry: false });
  if (stats?.isFile() !== true) return [];
  const info = readFileSync(`${proc}/fdinfo/${fd}`, "latin1");
  // The flags are octal; the lowest two bits are 0 for O_RDONLY.
  const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "", 8);
  return (flags & 3) === 0 ? [] : [readlinkSync(`${proc}/fd/${fd}`)];
}
