/** Everything that happened, in the one order in which this process saw it. */
export interface Trace {
  /** Writes a line and gives its number. `client` is whom it concerns; undefined for all. */
  note(caller: number | undefined, line: string): number;
  /** The last lines that concern a client, oldest first. */
  history(caller: number | undefined): string;
}

const LAST = 40;

export function createTrace(): Trace {
  const lines: { readonly caller: number | undefined; readonly line: string }[] = [];
  return {
    note: (caller, line) => lines.push({ caller, line }),
    history(caller) {
      const theirs = [...lines.entries()].filter(([, one]) => one.caller === undefined || one.caller === caller);
      return theirs
        .slice(-LAST)
        .map(([index, { line }]) => `${String(index + 1).padStart(6)}  ${line}`)
        .join("\n");
    },
  };
}
