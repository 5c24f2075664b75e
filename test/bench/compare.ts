/** What one round gives, by unit: `µs CPU` of the measured process for each request, `ms` as its caller sees it. */
export type Figures = Readonly<Record<string, number>>;

export interface Contestant {
  readonly who: string;
  /** Whom it is compared with: the first, unless told. */
  readonly over?: string;
  readonly run: () => Promise<Figures>;
}

/** One line of the table. */
export interface Row {
  readonly case: string;
  readonly who: string;
  readonly unit: string;
  readonly median: number;
  /** The least disturbed round: the figure to read on a busy machine. */
  readonly best: number;
  /** The median of each round over that of whom it is compared with in the same round; and best over best. */
  readonly ratio: number | undefined;
  readonly bestRatio: number | undefined;
}

/**
 * Has all contestants run in turn, round after round, so that what disturbs the machine disturbs them alike. Rounds to
 * warm up are not counted.
 */
export async function contest(
  name: string,
  contestants: readonly Contestant[],
  rounds: number,
  warmUps = 1,
): Promise<Row[]> {
  const measured = contestants.map(() => new Map<string, number[]>());
  for (let round = 1 - warmUps; round <= rounds; round++) {
    for (const [index, { run }] of contestants.entries()) {
      for (const [unit, figure] of Object.entries(await run())) {
        const figures = measured[index]?.get(unit) ?? [];
        if (round > 0) measured[index]?.set(unit, [...figures, figure]);
      }
    }
  }
  return contestants.flatMap(({ who, over = contestants[0]?.who }, index) =>
    [...(measured[index] ?? [])].map(([unit, figures]) => {
      const base = measured[contestants.findIndex((one) => one.who === over)]?.get(unit) ?? [];
      const [middle, least] = [median(figures), Math.min(...figures)];
      const isAlone = who === over || base.length === 0;
      return {
        case: name,
        who,
        unit,
        median: middle,
        best: least,
        ratio: isAlone
          ? undefined
          : median(figures.map((figure, round) => figure / (base[round] ?? Number.NaN))),
        bestRatio: isAlone ? undefined : least / Math.min(...base),
      };
    }),
  );
}

/** A line for what is measured alone. */
export function single(name: string, who: string, unit: string, figures: readonly number[]): Row {
  const [middle, least] = [median(figures), Math.min(...figures)];
  return { case: name, who, unit, median: middle, best: least, ratio: undefined, bestRatio: undefined };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
