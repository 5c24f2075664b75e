import type { Row } from "./compare.ts";

const WIDTHS = [42, 28, 10, 11, 11, 8, 12] as const;

/** Formats rows as a table. */
export function table(rows: readonly Row[]): string {
  const header = ["case", "candidate", "unit", "median", "best", "ratio", "best ratio"];
  const lines = rows.map((row) => [
    row.case,
    row.name,
    row.unit,
    format(row.median),
    format(row.best),
    format(row.ratio),
    format(row.bestRatio),
  ]);
  return [header, ...lines]
    .map((cells) => cells.map((cell, i) => pad(cell, i)).join(""))
    .map((line) => line.trimEnd())
    .join("\n");
}

function pad(cell: string, column: number): string {
  const width = WIDTHS[column] ?? 0;
  return column < 3 ? cell.padEnd(width) : cell.padStart(width);
}

function format(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toFixed(value < 100 ? 2 : 0);
}
