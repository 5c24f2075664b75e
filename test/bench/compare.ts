/** What one round gives, by unit: `µs CPU` of the measured process for each request, `ms` as its client sees it. */
export type Measurements = Readonly<Record<string, number>>;

export interface Candidate {
  readonly name: string;
  /** The candidate that it is compared with; by default the first. */
  readonly baseline?: string;
  readonly run: () => Promise<Measurements>;
}

/** One line of the table. */
export interface Row {
  readonly case: string;
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  /** The least disturbed round: the figure to read on a busy machine. */
  readonly best: number;
  /** The median of each round over that of whom it is compared with in the same round; and best over best. */
  readonly ratio: number | undefined;
  readonly bestRatio: number | undefined;
}

/**
 * Runs all candidates in turn, round after round, so that a disturbance of the machine affects all of them. Warm-up rounds
 * are not counted.
 */
export async function compare(
  caseName: string,
  candidates: readonly Candidate[],
  rounds: number,
  warmUps = 1,
): Promise<Row[]> {
  const measured = candidates.map(() => new Map<string, number[]>());
  for (let round = 1 - warmUps; round <= rounds; round++) {
    for (const [index, { run }] of candidates.entries()) {
      for (const [unit, figure] of Object.entries(await run())) {
        const figures = measured[index]?.get(unit) ?? [];
        if (round > 0) measured[index]?.set(unit, [...figures, figure]);
      }
    }
  }
  return candidates.flatMap(({ name, baseline = candidates[0]?.name }, index) =>
    [...(measured[index] ?? [])].map(([unit, figures]) => {
      const base = measured[candidates.findIndex((one) => one.name === baseline)]?.get(unit) ?? [];
      const [middle, least] = [median(figures), Math.min(...figures)];
      const isAlone = name === baseline || base.length === 0;
      return {
        case: caseName,
        name,
        unit,
        median: middle,
        best: least,
        ratio: isAlone ? undefined : median(figures.map((figure, round) => figure / (base[round] ?? Number.NaN))),
        bestRatio: isAlone ? undefined : least / Math.min(...base),
      };
    }),
  );
}

/** A line for what is measured alone. */
export function singleRow(caseName: string, name: string, unit: string, figures: readonly number[]): Row {
  const [middle, least] = [median(figures), Math.min(...figures)];
  return { case: caseName, name, unit, median: middle, best: least, ratio: undefined, bestRatio: undefined };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
