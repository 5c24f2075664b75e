import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** A service of a compose file, with the fields that the tests read. */
export interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly pull_policy?: string;
  readonly command?: string | readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
}

export interface Compose {
  readonly file: string;
  readonly folder: string;
  /** The comment at the top, which says how to start it. */
  readonly intro: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
}

export const root: string = new URL("../../", import.meta.url).pathname;

/** The compose files of all examples, parsed. */
export const composeFiles: readonly Compose[] = readdirSync(join(root, "examples"))
  .filter((name) => existsSync(join(root, "examples", name, "compose.yaml")))
  .map((name) => {
    const folder = join(root, "examples", name);
    const text = readFileSync(join(folder, "compose.yaml"), "utf8");
    const intro = /^(?:#.*\n)+/.exec(text)?.[0] ?? "";
    const document = parse(text, { merge: true }) as Omit<Compose, "file" | "folder" | "intro">;
    return Object.assign(document, { file: `examples/${name}/compose.yaml`, folder, intro });
  });

/** Parses a size of a compose file, such as `512m`, into bytes; 0 if it is none. */
export function composeBytes(size = ""): number {
  const [, digits = "0", unit = "b"] = /^(\d+)([bkmg])$/.exec(size) ?? [];
  return Number(digits) * 1024 ** "bkmg".indexOf(unit);
}

const is = (type: string) => (value: unknown) => typeof value === type;
const matches = (pattern: RegExp) => (value: unknown) => typeof value === "string" && pattern.test(value);
const isList = (value: unknown) =>
  Array.isArray(value) && new Set(value).size === value.length && value.every(is("string"));
const isString = is("string");
const isBoolean = is("boolean");
const isSize = matches(/^\d+[bkmg]$/);
const isDuration = matches(/^(?:\d+(?:us|ms|s|m|h))+$/);
const isStringOrList = (value: unknown) => isString(value) || isList(value);
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const CONDITIONS = new Set(["service_started", "service_healthy", "service_completed_successfully"]);

// Part of the Compose Specification's schema (github.com/compose-spec/compose-spec, schema/compose-spec.json), restated for
// the fields that the examples use; other fields are rejected, as Compose rejects unknown ones.
const SERVICE: Readonly<Record<string, (value: unknown) => boolean>> = {
  build: isString,
  cap_add: isList,
  cap_drop: isList,
  command: isStringOrList,
  depends_on: (value) =>
    isList(value) ||
    (isMap(value) &&
      Object.values(value).every(
        (condition) =>
          isMap(condition) &&
          Object.keys(condition).every((name) => ["condition", "required", "restart"].includes(name)) &&
          CONDITIONS.has(String(condition["condition"])),
      )),
  environment: (value) => isMap(value) && Object.values(value).every((one) => isString(one)),
  image: isString,
  mem_limit: isSize,
  ports: isList,
  pull_policy: matches(/^(?:always|never|if_not_present|build|missing)$/),
  read_only: isBoolean,
  restart: matches(/^(?:no|always|on-failure(?::\d+)?|unless-stopped)$/),
  security_opt: isList,
  stop_grace_period: isDuration,
  tmpfs: isStringOrList,
  user: isString,
  volumes: isList,
};

/** Lists what the specification does not allow in a parsed compose file, with its path. */
export function composeProblems(document: unknown): string[] {
  if (!isMap(document) || !isMap(document["services"])) return ["services must be a map"];
  const problems = Object.keys(document)
    .filter((name) => !/^(?:services|volumes|networks|name|x-.+)$/.test(name))
    .map((name) => `${name} is not known`);
  for (const [name, service] of Object.entries(document["services"])) {
    if (!/^[a-zA-Z0-9._-]+$/.test(name)) problems.push(`${name} is not a service name`);
    if (!isMap(service)) {
      problems.push(`${name} must be a map`);
      continue;
    }
    if (service["image"] === undefined && service["build"] === undefined) problems.push(`${name} has no image`);
    for (const [field, value] of Object.entries(service)) {
      const isValid = SERVICE[field];
      if (isValid === undefined) problems.push(`${name}.${field} is not known`);
      else if (!isValid(value)) problems.push(`${name}.${field} cannot be ${JSON.stringify(value)}`);
    }
  }
  return problems;
}
