import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import config from "../vitest.config.ts";
import { root } from "../support/compose.ts";

const read = (name: string) => readFileSync(join(root, name), "utf8");
const page = read("CONTRIBUTING.md");
const manifest = JSON.parse(read("package.json")) as { version: string; scripts: Record<string, string> };
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);

/** The floor of each file that the table of floors names; of a folder, of each file in it. */
const floors = new Map<string, number>();
for (const [, floor, cell = ""] of page.matchAll(/^\| (\d) [a-z ]+ \| ([^|]+) \|/gm)) {
  for (const [, path = ""] of cell.matchAll(/`([^`]+)`/g)) {
    const files = path.endsWith("/") ? readdirSync(join(root, path)).map((name) => path + name) : [path];
    for (const file of files) floors.set(file, Number(floor));
  }
}

describe("CONTRIBUTING.md", () => {
  test("names only files and folders that exist", () => {
    const paths = quoted.filter((text) =>
      /^(?:src|test|\.ci)\/[\w./-]*$|^[A-Z\w-]+\.(?:md|json)$/.test(text),
    );
    expect(paths.length).toBeGreaterThan(30);
    for (const path of paths) expect(existsSync(join(root, path)), path).toBe(true);
    const [, picture = ""] = /```\n(.*?)```/s.exec(page) ?? [];
    const drawn = [...picture.matchAll(/[a-z]+(?:\.ts|\/)/g)].map(([name]) => name);
    expect(drawn.length).toBeGreaterThan(10);
    for (const name of drawn) expect(existsSync(join(root, "src", name)), name).toBe(true);
  });

  test("names only scripts, projects and test files that exist", () => {
    const scripts = [...page.matchAll(/npm (?:run\s+([\w:]+)|(test)\b)/g)].map(([, one, two]) => one ?? two);
    expect(new Set(scripts)).toEqual(new Set(["test", "check", "test:soak", "deploy:dry", "deploy"]));
    for (const name of scripts) expect(manifest.scripts).toHaveProperty([name ?? ""]);
    const projects = config.test?.projects?.map((one) => (one as { test: { name: string } }).test.name);
    const table = page.slice(page.indexOf("| project |"), page.indexOf("Upstream is"));
    const named = [...table.matchAll(/`([a-z]+(?:-[a-z]+)?)`/g)].map(([, name]) => name);
    expect(named).toEqual(projects);
    for (const [, name] of page.matchAll(/--project (\S+)/g)) expect(projects).toContain(name);
  });

  test("draws floors on which no import points up", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true }).flatMap((one) =>
      one.isFile() && one.name.endsWith(".ts") && !one.name.endsWith(".d.ts")
        ? [relative(root, join(one.parentPath, one.name))]
        : [],
    );
    expect(sources.filter((file) => !floors.has(file))).toEqual([]);
    const upward: string[] = [];
    for (const [file, floor] of floors) {
      for (const [, target = ""] of read(file).matchAll(/(?:from |import\()"(\.[^"]+)"/g)) {
        const other = join(dirname(file), target);
        if ((floors.get(other) ?? 0) > floor) upward.push(`${file} imports ${other}`);
      }
    }
    expect(upward).toEqual([]);
  });

  test("is one page, and says of the gate what it does", () => {
    expect(page.split("\n").length).toBeLessThan(100);
    const gate = read(".ci/run");
    for (const step of ["npm ci", "npm test", "npm run test:soak", "npm run build", "npm run deploy:dry"])
      expect(gate).toContain(step);
    expect(manifest.scripts["check"]).toBe("oxlint && oxfmt --check && npm run types && npm test");
    expect(manifest.scripts["prepack"]).toBe("npm run build");
  });
});

test("the changelog has the version of the package on top, in the form of Keep a Changelog", () => {
  const changelog = read("CHANGELOG.md");
  const versions = [...changelog.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading);
  for (const heading of versions)
    expect(heading).toMatch(/^\[\d+\.\d+\.\d+\] - (?:unreleased|\d{4}-\d\d-\d\d)$/);
  expect(versions[0]).toContain(`[${manifest.version}]`);
  const kinds = [...changelog.matchAll(/^### (.+)$/gm)].map(([, kind]) => kind);
  expect(kinds.length).toBeGreaterThan(0);
  for (const kind of kinds)
    expect(["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]).toContain(kind);
});
