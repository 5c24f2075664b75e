import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DockerfileParser, From, JSONInstruction, ModifiableInstruction, type Instruction } from "dockerfile-ast";

const root = new URL("../../", import.meta.url).pathname;

/** A stage of the Dockerfile: its instructions, in order. */
export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Such as `RUN`. */
  readonly instruction: string;
  /** What stands after it, without flags. */
  readonly text: string;
  /** The flags, such as `--from=build`. */
  readonly flags: readonly string[];
  /** The arguments without flags; the strings of a JSON form. */
  readonly args: readonly string[];
  /** Whether it has the JSON form, which no shell reads. */
  readonly isExec: boolean;
}

/** The Dockerfile's stages. */
export function stages(): Stage[] {
  const parsed = DockerfileParser.parse(readFileSync(join(root, "Dockerfile"), "utf8"));
  const found: (Stage & { steps: Step[] })[] = [];
  for (const instruction of parsed.getInstructions()) {
    if (instruction instanceof From) {
      const base = instruction.getImage() ?? "";
      found.push({ base, name: instruction.getBuildStage() ?? undefined, steps: [] });
    } else found.at(-1)?.steps.push(step(instruction));
  }
  return found;
}

function step(instruction: Instruction): Step {
  const flags =
    instruction instanceof ModifiableInstruction
      ? instruction.getFlags().map((flag) => `--${flag.getName()}=${flag.getValue()}`)
      : [];
  const strings = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : [];
  const isExec = strings.length > 0;
  const args = isExec
    ? strings.map((one) => String(JSON.parse(one.getValue())))
    : instruction.getArguments().map((one) => one.getValue());
  return {
    instruction: instruction.getInstruction(),
    text: instruction.getArgumentsContent() ?? "",
    flags,
    args,
    isExec,
  };
}

/** The names at the top that .dockerignore lets through: it leaves everything out, and then names what it does not. */
export function context(): string[] {
  const lines = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines[0] !== "*" || !lines.slice(1).every((line) => /^![\w.-]+$/.test(line)))
    throw new Error(".dockerignore must be * and then names with ! before them");
  return lines.slice(1).map((line) => line.slice(1));
}
