import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** A service of a compose file, as far as the tests look at it. */
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
  /** The comment on top, which says how it is started. */
  readonly intro: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
}

export const root: string = new URL("../../", import.meta.url).pathname;

/** The compose files of all examples. */
export const composeFiles: readonly Compose[] = readdirSync(join(root, "examples"))
  .filter((name) => existsSync(join(root, "examples", name, "compose.yaml")))
  .map((name) => {
    const folder = join(root, "examples", name);
    const text = readFileSync(join(folder, "compose.yaml"), "utf8");
    const intro = /^(?:#.*\n)+/.exec(text)?.[0] ?? "";
    const found = parse(text, { merge: true }) as Omit<Compose, "file" | "folder" | "intro">;
    return Object.assign(found, { file: `examples/${name}/compose.yaml`, folder, intro });
  });

/** Reads a size as Compose writes it, such as `512m`, in bytes; 0 for what is none. */
export function composeBytes(size = ""): number {
  const [, digits = "0", unit = "b"] = /^(\d+)([bkmg])$/.exec(size) ?? [];
  return Number(digits) * 1024 ** "bkmg".indexOf(unit);
}

const is = (type: string) => (value: unknown) => typeof value === type;
const matches = (form: RegExp) => (value: unknown) => typeof value === "string" && form.test(value);
const isList = (value: unknown) =>
  Array.isArray(value) && new Set(value).size === value.length && value.every(is("string"));
const isText = is("string");
const isFlag = is("boolean");
const isSize = matches(/^\d+[bkmg]$/);
const isDuration = matches(/^(?:\d+(?:us|ms|s|m|h))+$/);
const isTextOrList = (value: unknown) => isText(value) || isList(value);
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const CONDITIONS = new Set(["service_started", "service_healthy", "service_completed_successfully"]);

// Part of the Compose Specification's schema (github.com/compose-spec/compose-spec, schema/compose-spec.json), restated for
// the fields that the examples use: another one is refused, as Compose refuses unknown ones.
const SERVICE: Readonly<Record<string, (value: unknown) => boolean>> = {
  build: isText,
  cap_add: isList,
  cap_drop: isList,
  command: isTextOrList,
  depends_on: (value) =>
    isList(value) ||
    (isMap(value) &&
      Object.values(value).every(
        (need) =>
          isMap(need) &&
          Object.keys(need).every((name) => ["condition", "required", "restart"].includes(name)) &&
          CONDITIONS.has(String(need["condition"])),
      )),
  environment: (value) => isMap(value) && Object.values(value).every((one) => isText(one)),
  image: isText,
  mem_limit: isSize,
  ports: isList,
  pull_policy: matches(/^(?:always|never|if_not_present|build|missing)$/),
  read_only: isFlag,
  restart: matches(/^(?:no|always|on-failure(?::\d+)?|unless-stopped)$/),
  security_opt: isList,
  stop_grace_period: isDuration,
  tmpfs: isTextOrList,
  user: isText,
  volumes: isList,
};

/** What in a parsed compose file the specification does not allow, each with its place. */
export function composeProblems(document: unknown): string[] {
  if (!isMap(document) || !isMap(document["services"])) return ["services must be a map"];
  const faults = Object.keys(document)
    .filter((name) => !/^(?:services|volumes|networks|name|x-.+)$/.test(name))
    .map((name) => `${name} is not known`);
  for (const [name, service] of Object.entries(document["services"])) {
    if (!/^[a-zA-Z0-9._-]+$/.test(name)) faults.push(`${name} is no name of a service`);
    if (!isMap(service)) {
      faults.push(`${name} must be a map`);
      continue;
    }
    if (service["image"] === undefined && service["build"] === undefined) faults.push(`${name} has no image`);
    for (const [text, value] of Object.entries(service)) {
      const isRight = SERVICE[text];
      if (isRight === undefined) faults.push(`${name}.${text} is not known`);
      else if (!isRight(value)) faults.push(`${name}.${text} cannot be ${JSON.stringify(value)}`);
    }
  }
  return faults;
}
