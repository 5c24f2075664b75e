/** All events of a round in the order in which this process saw them. */
export interface Trace {
  /** Adds a line about one client, or about all, and gives its position. */
  add(client: number | undefined, line: string): number;
  /** The last 40 lines about a client, oldest first. */
  history(client: number | undefined): string;
}

const HISTORY_LINES = 40;

export function createTrace(): Trace {
  const lines: { readonly client: number | undefined; readonly line: string }[] = [];
  return {
    add: (client, line) => lines.push({ client, line }),
    history: (client) =>
      [...lines.entries()]
        .filter(([, one]) => one.client === undefined || one.client === client)
        .slice(-HISTORY_LINES)
        .map(([index, { line }]) => `${String(index + 1).padStart(6)}  ${line}`)
        .join("\n"),
  };
}
