import type { Row } from "./compare.ts";

const WIDTHS = [42, 26, 10, 11, 11, 8, 8] as const;

/** Writes the rows as a table: metrics, and ratios to the first line of the same case. */
export function table(rows: readonly Row[]): string {
  const heads = ["case", "who", "unit", "median", "best", "ratio", "of best"];
  const lines = rows.map((row) => [
    row.case,
    row.name,
    row.unit,
    figure(row.median),
    figure(row.best),
    figure(row.ratio),
    figure(row.bestRatio),
  ]);
  return [heads, ...lines]
    .map((cells) => cells.map((cell, i) => padded(cell, i)).join(""))
    .map((line) => line.trimEnd())
    .join("\n");
}

function padded(cell: string, column: number): string {
  const width = WIDTHS[column] ?? 0;
  return column < 3 ? cell.padEnd(width) : cell.padStart(width);
}

function figure(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toFixed(value < 100 ? 2 : 0);
}
