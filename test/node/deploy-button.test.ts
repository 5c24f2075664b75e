// The "Deploy to Cloudflare" button deploys this repository and asks for documented settings only.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { root } from "../support/compose.ts";

// The button reads the Worker's name and variables from wrangler.toml, the secrets to ask for from .dev.vars.example, and
// descriptions and the deploy script from package.json (developers.cloudflare.com/workers/platform/deploy-buttons).
const read = (name: string) => readFileSync(join(root, name), "utf8");
const readme = read("README.md");
const manifest = JSON.parse(read("package.json")) as {
  name: string;
  scripts: Record<string, string>;
  cloudflare: { bindings: Record<string, { description: string }> };
};
const [, section = ""] = /^\[vars\]\n((?:\w+ = .*\n)+)/m.exec(read("wrangler.toml")) ?? [];
const variables = [...section.matchAll(/^(\w+) = "(.*)"$/gm)].map(([, name = "", value = ""]) => [name, value]);
const secrets = [...read(".dev.vars.example").matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value]) => [name, value]);

test("each value that a deployment asks for is a setting with a description", () => {
  const names = [...variables, ...secrets].map(([name]) => name);
  expect(names).toEqual(["MODELS_LIST", "MODELS_SHAPE", "MAX_AGE", "CACHE_SECRET"]);
  const { bindings } = manifest.cloudflare;
  expect(Object.keys(bindings).sort()).toEqual(names.map(String).sort());
  for (const { description } of Object.values(bindings)) expect(description).toMatch(/^[A-Z].+\.$/);
  for (const name of names) expect(readme).toMatch(new RegExp(`^\\| \`${name}\` \\|`, "m"));
});

test("the variables are the defaults, and the example file contains no secret", () => {
  expect(parseSettings(Object.fromEntries(variables))).toEqual(parseSettings({}));
  expect(secrets).toEqual([["CACHE_SECRET", ""]]);
});

test("the README's button deploys this repository, once OWNER is replaced", () => {
  const [, snippet = ""] = /```md\n(.*?)\n```/s.exec(readme) ?? [];
  const [, image = "", target = ""] = /^\[!\[Deploy to Cloudflare\]\((\S+)\)\]\((\S+)\)$/.exec(snippet) ?? [];
  expect(image).toBe("https://deploy.workers.cloudflare.com/button");
  const url = new URL(target);
  expect(url.origin + url.pathname).toBe("https://deploy.workers.cloudflare.com/");
  expect(url.searchParams.get("url")).toBe(`https://github.com/OWNER/${manifest.name}`);
  expect(manifest.scripts["deploy"]).toBe("wrangler deploy");
  expect(read("wrangler.toml")).toMatch(new RegExp(`^name = "${manifest.name}"$`, "m"));
});
