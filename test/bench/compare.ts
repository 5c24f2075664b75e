/** Results of one round, by unit: `µs CPU` of the measured process per request, `ms` as its client sees it. */
export type Measurements = Readonly<Record<string, number>>;

export interface Candidate {
  readonly name: string;
  /** Name of the candidate that it is compared with; by default the first. */
  readonly baseline?: string;
  readonly run: () => Promise<Measurements>;
}

/** One line of the table. */
export interface Row {
  readonly case: string;
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  /** The least disturbed round: the number to read on a busy machine. */
  readonly best: number;
  /** Median over the rounds of this candidate's value divided by its baseline's in the same round. */
  readonly ratio: number | undefined;
  /** `best` divided by the baseline's. */
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
      for (const [unit, value] of Object.entries(await run())) {
        const values = measured[index]?.get(unit) ?? [];
        if (round > 0) measured[index]?.set(unit, [...values, value]);
      }
    }
  }
  return candidates.flatMap(({ name, baseline = candidates[0]?.name }, index) =>
    [...(measured[index] ?? [])].map(([unit, values]) => {
      const base = measured[candidates.findIndex((one) => one.name === baseline)]?.get(unit) ?? [];
      const [middle, best] = [median(values), Math.min(...values)];
      const isBaseline = name === baseline || base.length === 0;
      return {
        case: caseName,
        name,
        unit,
        median: middle,
        best,
        ratio: isBaseline ? undefined : median(values.map((value, round) => value / (base[round] ?? Number.NaN))),
        bestRatio: isBaseline ? undefined : best / Math.min(...base),
      };
    }),
  );
}

/** A row without a baseline. */
export function singleRow(caseName: string, name: string, unit: string, values: readonly number[]): Row {
  const [middle, best] = [median(values), Math.min(...values)];
  return { case: caseName, name, unit, median: middle, best, ratio: undefined, bestRatio: undefined };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
