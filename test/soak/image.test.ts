import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished } from "vitest";
import { refusesConnections } from "../support/connection.ts";
import { startContainer, testInContainer } from "../support/container.ts";
import { freePort } from "../support/free-port.ts";
import { buildContext, parseDockerfile } from "../support/image.ts";
import { startNanoGpt } from "../support/nanogpt/nanogpt.ts";
import { plainCall } from "../support/plain-call.ts";
import { ACCOUNTS, ALICE } from "../support/setup.ts";

const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;
const [build, dependencies, last] = parseDockerfile();
const inLast = (instruction: string) => last?.steps.find((step) => step.instruction === instruction);

/** Does in a folder of its own what the Dockerfile says, and gives the folder that would be the image's. */
async function image(): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), "keylane-image-"));
  onTestFinished(async () => {
    await run("chmod", ["-R", "u+w", work]);
    await rm(work, { recursive: true });
  });
  const folders: Record<string, string> = {};
  for (const stage of [build, dependencies, last]) {
    const folder = join(work, stage?.name ?? "final");
    folders[stage?.name ?? "final"] = folder;
    await mkdir(folder);
    for (const { instruction, args, flags, text } of stage?.steps ?? []) {
      if (instruction === "COPY") {
        const from = folders[flags[0]?.replace("--from=", "") ?? ""];
        for (const name of args.slice(0, -1)) {
          const target = args.at(-1)?.endsWith("/") ? name : (args.at(-1) ?? "");
          const isThere = from !== undefined || buildContext().includes(name);
          expect(isThere, `${name} is part of what is built from`).toBe(true);
          const source = from === undefined ? join(root, name) : join(from, name.replace("/keylane/", ""));
          await cp(source, join(folder, target), { recursive: true, verbatimSymlinks: true });
        }
      }
      // The development dependencies are those that this test runs with: `npm ci` brought them.
      if (text === "npm ci") await symlink(join(root, "node_modules"), join(folder, "node_modules"));
      else if (instruction === "RUN" && stage !== last) await run("sh", ["-c", text], { cwd: folder });
    }
  }
  const final = folders["final"] ?? "";
  await run("chmod", ["-R", "a-w,a+rX", final]);
  await chmod(work, 0o755);
  return final;
}

testInContainer(
  "the image's steps make a program that runs as another user, on files that nobody can write, as process 1",
  async () => {
    const folder = await image();
    expect((await readdir(folder)).sort()).toEqual(["LICENSE", "dist", "node_modules", "package.json"]);
    // No build tools, no development dependencies, nothing but JavaScript of our own.
    const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      devDependencies: Record<string, string>;
    };
    const installed = await readdir(join(folder, "node_modules"));
    expect(installed).toContain("hono");
    expect(installed.filter((name) => name in devDependencies)).toEqual([]);

    const nano = await startNanoGpt({ accounts: ACCOUNTS });
    onTestFinished(() => nano.stop());
    const port = String(await freePort());
    const environment = Object.fromEntries(
      (inLast("ENV")?.text.split(" ") ?? []).map((pair) => pair.split("=") as [string, string]),
    );
    const node = ["node", ...(inLast("ENTRYPOINT")?.args.slice(1) ?? [])];
    const running = await startContainer(folder, node, inLast("USER")?.text ?? "", {
      ...environment,
      PORT: port,
      UPSTREAM_URL: nano.url,
    });

    const status = await readFile(`/proc/${running.pid}/status`, "utf8");
    expect(status).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    // Neither its own files nor any others.
    for (const path of ["dist/node.js", "new", "/tmp/new", "/new"]) {
      const { code } = await running.exec(["sh", "-c", `echo >> ${path}`]);
      expect(code, path).not.toBe(0);
    }

    const { status: answered, text } = await plainCall(`http://127.0.0.1:${port}/v1/models`, {
      fields: `Authorization: Bearer ${ALICE}`,
    });
    expect(answered).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "list", data: [{}, {}] });
    const check = inLast("HEALTHCHECK")?.text ?? "";
    const health = JSON.parse(check.slice(check.indexOf("["))) as string[];
    expect(await running.exec(health)).toEqual({ code: 0, stdout: "", stderr: "" });

    process.kill(running.pid, "SIGTERM");
    expect(await running.exited).toBe(0);
    expect(running.output()).toContain("Stopping:");
    expect(await refusesConnections(`http://127.0.0.1:${port}`)).toBe(true);
  },
  300_000,
);
