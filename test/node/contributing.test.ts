// CONTRIBUTING.md and CHANGELOG.md name what exists: every folder, file, script and test project.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { longProjects } from "../vitest.all.config.ts";
import { quickProjects } from "../vitest.config.ts";
import { root } from "../support/compose.ts";

const read = (name: string) => readFileSync(join(root, name), "utf8");
const page = read("CONTRIBUTING.md");
const manifest = JSON.parse(read("package.json")) as { version: string; scripts: Record<string, string> };
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
const sources = /^(?:app|cache|cli|config|console|http|models|node|observability|routes|storage|upstream|worker)[./]/;

describe("CONTRIBUTING.md", () => {
  test("names only files and folders that exist", () => {
    const paths = quoted.filter((text) => /^(?:src|test|tools|\.ci)\/[\w./-]*$|^[A-Z\w-]+\.(?:md|json)$/.test(text));
    const inSrc = quoted.filter((text) => sources.test(text) && text.endsWith(".ts"));
    expect(paths.length).toBeGreaterThan(30);
    expect(inSrc.length).toBeGreaterThan(15);
    for (const path of [...paths, ...inSrc.map((path) => `src/${path}`)])
      expect(existsSync(join(root, path)), path).toBe(true);
  });

  test("has a line for every folder of src, test and tools", () => {
    const folders = ["src", "test", "tools"].flatMap((top) =>
      readdirSync(join(root, top), { withFileTypes: true }).flatMap((one) =>
        one.isDirectory() ? [`${top}/${one.name}/`] : [],
      ),
    );
    const table = page.slice(page.indexOf("| folder |"), page.indexOf("Imports run one way"));
    const listed = new Set([...table.matchAll(/`([a-z\d/]+\/)`/g)].map(([, folder]) => folder));
    expect(folders.filter((folder) => !listed.has(folder))).toEqual([]);
  });

  test("names only scripts, projects and test files that exist", () => {
    const scripts = [...page.matchAll(/npm (?:run\s+([\w:]+)|(test)\b)/g)].map(([, one, two]) => one ?? two);
    expect(new Set(scripts)).toEqual(
      new Set(["test", "check", "types", "test:isolation", "test:all", "test:soak", "deploy:dry", "deploy"]),
    );
    for (const name of scripts) expect(manifest.scripts).toHaveProperty([name ?? ""]);
    const projects = [...quickProjects, ...longProjects].map(({ test }) => test?.name);
    const table = page.slice(page.indexOf("| command, on"), page.indexOf("NanoGPT is a stand-in"));
    const named = [...table.matchAll(/`([a-z]+(?:-[a-z]+)?)`/g)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(projects));
    for (const [, name] of page.matchAll(/--project (\S+)/g)) expect(projects).toContain(name);
  });

  test("describes a gate that runs every step", () => {
    const gate = read(".ci/run");
    for (const step of [
      "npm ci",
      "npm test",
      "npm run test:all",
      "npm run test:soak",
      "npm run build",
      "npm run deploy:dry",
    ])
      expect(gate).toContain(step);
    expect(manifest.scripts["check"]).toBe("oxlint && oxfmt --check && npm run types && npm test");
    expect(manifest.scripts["prepack"]).toBe("npm run build");
  });
});

test("the changelog has the version of the package on top, in the form of Keep a Changelog", () => {
  const changelog = read("CHANGELOG.md");
  const versions = [...changelog.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading);
  for (const heading of versions) expect(heading).toMatch(/^\[\d+\.\d+\.\d+\] - (?:unreleased|\d{4}-\d\d-\d\d)$/);
  expect(versions[0]).toContain(`[${manifest.version}]`);
  const kinds = [...changelog.matchAll(/^### (.+)$/gm)].map(([, kind]) => kind);
  expect(kinds.length).toBeGreaterThan(0);
  for (const kind of kinds) expect(["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]).toContain(kind);
});
