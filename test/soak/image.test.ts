// The Dockerfile's steps produce a program that runs unprivileged on read-only files.
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
const [build, dependencies, final] = parseDockerfile();
const inFinal = (instruction: string) => final?.steps.find((step) => step.instruction === instruction);

/** Runs the Dockerfile's steps in a temporary folder and gives the folder of the final stage. */
async function buildImage(): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), "keylane-image-"));
  onTestFinished(async () => {
    await run("chmod", ["-R", "u+w", work]);
    await rm(work, { recursive: true });
  });
  const folders: Record<string, string> = {};
  for (const stage of [build, dependencies, final]) {
    const folder = join(work, stage?.name ?? "final");
    folders[stage?.name ?? "final"] = folder;
    await mkdir(folder);
    for (const { instruction, args, flags, text } of stage?.steps ?? []) {
      if (instruction === "COPY") {
        const from = folders[flags[0]?.replace("--from=", "") ?? ""];
        for (const name of args.slice(0, -1)) {
          const target = args.at(-1)?.endsWith("/") ? name : (args.at(-1) ?? "");
          const exists = from !== undefined || buildContext().includes(name);
          expect(exists, `the build context contains ${name}`).toBe(true);
          const source = from === undefined ? join(root, name) : join(from, name.replace("/keylane/", ""));
          await cp(source, join(folder, target), { recursive: true, verbatimSymlinks: true });
        }
      }
      // This checkout's dependencies, which `npm ci` has installed.
      if (text === "npm ci") await symlink(join(root, "node_modules"), join(folder, "node_modules"));
      else if (instruction === "RUN" && stage !== final) await run("sh", ["-c", text], { cwd: folder });
    }
  }
  const folder = folders["final"] ?? "";
  await run("chmod", ["-R", "a-w,a+rX", folder]);
  await chmod(work, 0o755);
  return folder;
}

testInContainer(
  "the image runs as process 1, as another user and on read-only files",
  async () => {
    const folder = await buildImage();
    expect((await readdir(folder)).sort()).toEqual(["LICENSE", "dist", "node_modules", "package.json"]);
    // No development dependencies.
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
      (inFinal("ENV")?.text.split(" ") ?? []).map((pair) => pair.split("=") as [string, string]),
    );
    const node = ["node", ...(inFinal("ENTRYPOINT")?.args.slice(1) ?? [])];
    const running = await startContainer(folder, node, inFinal("USER")?.text ?? "", {
      ...environment,
      PORT: port,
      UPSTREAM_URL: nano.url,
    });

    const status = await readFile(`/proc/${running.pid}/status`, "utf8");
    expect(status).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    // No file is writable, inside or outside the program's folder.
    for (const path of ["dist/node.js", "new", "/tmp/new", "/new"]) {
      const { code } = await running.exec(["sh", "-c", `echo >> ${path}`]);
      expect(code, path).not.toBe(0);
    }

    const { status: httpStatus, text } = await plainCall(`http://127.0.0.1:${port}/v1/models`, {
      fields: `Authorization: Bearer ${ALICE}`,
    });
    expect(httpStatus).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "list", data: [{}, {}] });
    const check = inFinal("HEALTHCHECK")?.text ?? "";
    const health = JSON.parse(check.slice(check.indexOf("["))) as string[];
    expect(await running.exec(health)).toEqual({ code: 0, stdout: "", stderr: "" });

    process.kill(running.pid, "SIGTERM");
    expect(await running.exited).toBe(0);
    expect(running.output()).toContain("Stopping:");
    expect(await refusesConnections(`http://127.0.0.1:${port}`)).toBe(true);
  },
  300_000,
);
