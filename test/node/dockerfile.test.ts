import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { composeFiles, root } from "../support/compose.ts";
import { context, stages } from "../support/image.ts";

const found = stages();
const last = found.at(-1);
const steps = last?.steps ?? [];
const ofLast = (instruction: string) => steps.filter((step) => step.instruction === instruction);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  bin: { keylane: string };
  engines: { node: string };
};

describe("the Dockerfile", () => {
  test("builds in stages of its own, all on Node 24", () => {
    expect(found.map(({ name }) => name)).toEqual(["build", "dependencies", undefined]);
    expect(new Set(found.map(({ base }) => base))).toEqual(new Set(["node:24-slim"]));
  });

  test("takes no more than it copies, and copies only what is there", () => {
    const copied = new Set<string>();
    for (const { steps } of found) {
      for (const { flags, args } of steps.filter(({ instruction }) => instruction === "COPY")) {
        if (flags.length === 0) for (const name of args.slice(0, -1)) copied.add(name);
      }
    }
    expect([...copied].sort()).toEqual(context().sort());
    for (const name of copied) expect(existsSync(join(root, name)), name).toBe(true);
  });

  test("ends in an image without development dependencies, npm or source", () => {
    const from = ofLast("COPY").map(({ flags, args }) => [flags[0] ?? "", args.slice(0, -1).join(" ")]);
    expect(from).toEqual([
      ["", "package.json LICENSE"],
      ["--from=dependencies", "/keylane/node_modules"],
      ["--from=build", "/keylane/dist"],
    ]);
    const dependencies = found.find(({ name }) => name === "dependencies")?.steps ?? [];
    expect(dependencies.filter(({ instruction }) => instruction === "RUN").map(({ text }) => text)).toEqual([
      "npm ci --omit=dev",
    ]);
    expect(ofLast("RUN").map(({ text }) => text.split(" ")[0])).toEqual(["rm"]);
    expect(ofLast("RUN")[0]?.args).toContain("/usr/local/lib/node_modules");
  });

  test("listens for the container's network, and says so nowhere but here", () => {
    expect(ofLast("ENV").flatMap(({ text }) => text.split(" "))).toEqual(["NODE_ENV=production", "HOST=0.0.0.0"]);
    expect(ofLast("EXPOSE").map(({ text }) => text)).toEqual(["8787"]);
    expect(found.slice(0, -1).flatMap(({ steps }) => steps.filter(({ instruction }) => instruction === "ENV"))).toEqual(
      [],
    );
  });

  test("runs as a user that is not root, by number", () => {
    expect(ofLast("USER").map(({ text }) => text)).toEqual(["1000:1000"]);
    // Nothing after it: what runs then would run as that user.
    const args = steps.map(({ instruction }) => instruction);
    expect(args.slice(args.indexOf("USER"))).toEqual(["USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"]);
  });

  test("starts the program itself, without a shell that would keep signals to itself", () => {
    const [entry] = ofLast("ENTRYPOINT");
    expect([entry?.isExec, entry?.args]).toEqual([true, ["node", manifest.bin.keylane]]);
    expect(ofLast("CMD")).toEqual([]);
  });

  test("is asked for its health by the program's own command", () => {
    const [check] = ofLast("HEALTHCHECK");
    const command: unknown = JSON.parse(check?.text.slice(check.text.indexOf("[")) ?? "");
    expect(command).toEqual(["node", manifest.bin.keylane, "healthcheck"]);
  });
});

describe("the README's section on containers", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const section = readme.slice(readme.indexOf("### In a container"), readme.indexOf("### On Cloudflare"));
  const [, build = "", run = ""] = /```sh\n(docker build .*)\n(docker run .*)\n```/.exec(section) ?? [];

  test("builds this folder, and runs what it built: on loopback, with nothing that it does not need", () => {
    expect(build).toBe("docker build -t keylane .");
    const [, , ...args] = run.split(" ");
    expect(args.pop()).toBe("keylane");
    const port = ofLast("EXPOSE")[0]?.text;
    expect(args.join(" ").split(/ (?=--)/)).toEqual([
      "--rm",
      `--publish 127.0.0.1:8787:${port}`,
      "--read-only",
      "--cap-drop ALL",
      "--security-opt no-new-privileges",
    ]);
  });

  test("gives a stop longer than the drain", () => {
    const [, seconds] = /docker stop --time (\d+)/.exec(section) ?? [];
    expect(Number(seconds)).toBeGreaterThan(parseSettings({}).drainTimeoutMs / 1000);
  });

  test("names every example, and no file that is not there", () => {
    const linked = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = ""]) => path);
    for (const path of linked) expect(existsSync(join(root, path)), path).toBe(true);
    for (const { file } of composeFiles) expect(section).toContain(`(${file})`);
  });
});
