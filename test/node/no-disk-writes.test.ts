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

const WAYS = [...LIST_REQUESTS, ...PASSTHROUGH_REQUESTS, ...REFUSED_REQUESTS];
// Everywhere a program of good manners would put a file.
const PLACES = [
  "CWD",
  "HOME",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "XDG_RUNTIME_DIR",
];
// A program cannot be started elsewhere by NODE_OPTIONS, but it can go there before it does anything.
const ELSEWHERE = "--import=data:text/javascript,process.chdir(process.env.CWD)";

async function started() {
  const folder = await mkdtemp(join(tmpdir(), "keylane-disk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const places = Object.fromEntries(PLACES.map((name) => [name, join(folder, name)]));
  await Promise.all(Object.values(places).map((place) => mkdir(place)));
  const { key, tracesIn } = createCanary();
  const nano = await startNanoGpt({ accounts: [{ key }] });
  onTestFinished(() => nano.stop());
  const program = await startProgram({
    UPSTREAM_URL: nano.url,
    LOG_LEVEL: "trace",
    LIST_TIMEOUT: "300ms",
    NODE_OPTIONS: ELSEWHERE,
    ...places,
  });
  return {
    nano,
    program,
    tracesIn,
    /** Makes requests of every kind, while everything works and while upstream is down. */
    use: async () => {
      await Promise.all(WAYS.map((way) => sendRaw(program.url, serializeRequest(way, key))));
      await nano.pause();
      await Promise.all(WAYS.map((way) => sendRaw(program.url, serializeRequest(way, key))));
    },
    /** Names every file below the places. */
    files: async () => (await readdir(folder, { recursive: true })).filter((name) => !PLACES.includes(name)),
  };
}

test("no file is made, by any request or by a stop", { retry: 0 }, async () => {
  const { program, use, files } = await started();
  await use();
  expect(await files()).toEqual([]);
  program.child.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  expect(await files()).toEqual([]);
});

test("no file is open for writing, and the process's own description names no key", async ({ skip }) => {
  skip(!existsSync("/proc/self/fdinfo"), "only Linux tells what another process has open");
  const { program, tracesIn, use } = await started();
  const about = `/proc/${program.child.pid}`;
  await use();
  expect(readlinkSync(`${about}/cwd`)).toMatch(/CWD$/);
  expect(readdirSync(`${about}/fd`).flatMap((fd) => openForWriting(about, fd))).toEqual([]);
  for (const name of ["environ", "cmdline"]) {
    const received = readFileSync(`${about}/${name}`);
    expect(received.length).toBeGreaterThan(0);
    expect(tracesIn(received), name).toEqual([]);
  }
});

/** Names the regular file behind a descriptor if it may be written to. */
function openForWriting(about: string, fd: string): string[] {
  const found = statSync(`${about}/fd/${fd}`, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return [];
  const info = readFileSync(`${about}/fdinfo/${fd}`, "latin1");
  // The flags are octal; their last two bits are 0 for reading alone.
  const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "", 8);
  return (flags & 3) === 0 ? [] : [readlinkSync(`${about}/fd/${fd}`)];
}
