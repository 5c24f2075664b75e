// The image runs Keylane without root, build tools and source; the README shows how to build and start it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { composeFiles, root } from "../support/compose.ts";
import { buildContext, parseDockerfile } from "../support/image.ts";

const stages = parseDockerfile();
const last = stages.at(-1);
const steps = last?.steps ?? [];
const lastStage = (instruction: string) => steps.filter((step) => step.instruction === instruction);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  bin: { keylane: string };
  engines: { node: string };
};

describe("the Dockerfile", () => {
  test("builds in separate stages, all on Node 24", () => {
    expect(stages.map(({ name }) => name)).toEqual(["build", "dependencies", undefined]);
    expect(new Set(stages.map(({ base }) => base))).toEqual(new Set(["node:24-slim"]));
  });

  test("has a build context of exactly the files that it copies", () => {
    const copied = new Set<string>();
    for (const { steps } of stages) {
      for (const { flags, args } of steps.filter(({ instruction }) => instruction === "COPY")) {
        if (flags.length === 0) for (const name of args.slice(0, -1)) copied.add(name);
      }
    }
    expect([...copied].sort()).toEqual(buildContext().sort());
    for (const name of copied) expect(existsSync(join(root, name)), name).toBe(true);
  });

  test("results in an image without development dependencies, npm and source", () => {
    const from = lastStage("COPY").map(({ flags, args }) => [flags[0] ?? "", args.slice(0, -1).join(" ")]);
    expect(from).toEqual([
      ["", "package.json LICENSE"],
      ["--from=dependencies", "/keylane/node_modules"],
      ["--from=build", "/keylane/dist"],
    ]);
    const dependencies = stages.find(({ name }) => name === "dependencies")?.steps ?? [];
    expect(dependencies.filter(({ instruction }) => instruction === "RUN").map(({ text }) => text)).toEqual([
      "npm ci --omit=dev",
    ]);
    expect(lastStage("RUN").map(({ text }) => text.split(" ")[0])).toEqual(["rm"]);
    expect(lastStage("RUN")[0]?.args).toContain("/usr/local/lib/node_modules");
  });

  test("sets HOST to 0.0.0.0 in the last stage only", () => {
    expect(lastStage("ENV").flatMap(({ text }) => text.split(" "))).toEqual(["NODE_ENV=production", "HOST=0.0.0.0"]);
    expect(lastStage("EXPOSE").map(({ text }) => text)).toEqual(["8787"]);
    expect(
      stages.slice(0, -1).flatMap(({ steps }) => steps.filter(({ instruction }) => instruction === "ENV")),
    ).toEqual([]);
  });

  test("runs as a numeric user that is not root", () => {
    expect(lastStage("USER").map(({ text }) => text)).toEqual(["1000:1000"]);
    // No step after USER runs a command, which would run as that user.
    const args = steps.map(({ instruction }) => instruction);
    expect(args.slice(args.indexOf("USER"))).toEqual(["USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"]);
  });

  test("starts the program without a shell, which would not forward signals", () => {
    const [entry] = lastStage("ENTRYPOINT");
    expect([entry?.isExec, entry?.args]).toEqual([true, ["node", manifest.bin.keylane]]);
    expect(lastStage("CMD")).toEqual([]);
  });

  test("checks its health with `keylane healthcheck`", () => {
    const [check] = lastStage("HEALTHCHECK");
    const command: unknown = JSON.parse(check?.text.slice(check.text.indexOf("[")) ?? "");
    expect(command).toEqual(["node", manifest.bin.keylane, "healthcheck"]);
  });
});

describe("the README's section on containers", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const section = readme.slice(readme.indexOf("### In a container"), readme.indexOf("### On Cloudflare"));
  const [, build = "", run = ""] = /```sh\n(docker build .*)\n(docker run .*)\n```/.exec(section) ?? [];

  test("builds this folder and runs the image on loopback, read-only and without privileges", () => {
    expect(build).toBe("docker build -t keylane .");
    const [, , ...args] = run.split(" ");
    expect(args.pop()).toBe("keylane");
    const port = lastStage("EXPOSE")[0]?.text;
    expect(args.join(" ").split(/ (?=--)/)).toEqual([
      "--rm",
      `--publish 127.0.0.1:8787:${port}`,
      "--read-only",
      "--cap-drop ALL",
      "--security-opt no-new-privileges",
    ]);
  });

  test("gives a stop more time than DRAIN_TIMEOUT", () => {
    const [, seconds] = /docker stop --time (\d+)/.exec(section) ?? [];
    expect(Number(seconds)).toBeGreaterThan(parseSettings({}).drainTimeoutMs / 1000);
  });

  test("links to every example, and only to files that exist", () => {
    const linked = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = ""]) => path);
    for (const path of linked) expect(existsSync(join(root, path)), path).toBe(true);
    for (const { file } of composeFiles) expect(section).toContain(`(${file})`);
  });
});
