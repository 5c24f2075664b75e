import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DockerfileParser, From, JSONInstruction, ModifiableInstruction, type Instruction } from "dockerfile-ast";

const root = new URL("../../", import.meta.url).pathname;

/** A stage of the Dockerfile. */
export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Such as `RUN`. */
  readonly instruction: string;
  /** The text after it, without flags. */
  readonly text: string;
  /** The flags, such as `--from=build`. */
  readonly flags: readonly string[];
  /** The arguments without flags; the strings of a JSON form. */
  readonly args: readonly string[];
  /** Whether it has the JSON form, which runs without a shell. */
  readonly isExec: boolean;
}

/** Parses the Dockerfile into its stages, in order. */
export function parseDockerfile(): Stage[] {
  const parsed = DockerfileParser.parse(readFileSync(join(root, "Dockerfile"), "utf8"));
  const stages: (Stage & { steps: Step[] })[] = [];
  for (const instruction of parsed.getInstructions()) {
    if (instruction instanceof From) {
      const base = instruction.getImage() ?? "";
      stages.push({ base, name: instruction.getBuildStage() ?? undefined, steps: [] });
    } else stages.at(-1)?.steps.push(parseStep(instruction));
  }
  return stages;
}

function parseStep(instruction: Instruction): Step {
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

/** The top-level names in the build context: .dockerignore excludes everything, then includes these. */
export function buildContext(): string[] {
  const lines = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines[0] !== "*" || !lines.slice(1).every((line) => /^![\w.-]+$/.test(line)))
    throw new Error(".dockerignore must be *, then names that begin with !");
  return lines.slice(1).map((line) => line.slice(1));
}
