/** One sample in Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Parses Prometheus' text format. Throws on an invalid line. */
export function samplesOf(page: string): Sample[] {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [, name, labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`Not a sample: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", text = ""]) => [label, text]);
    return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
  });
}

/** Sums the samples with this name and these labels; throws if there is none. */
export function metricValue(page: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const samples = samplesOf(page).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
  );
  if (samples.length === 0) throw new Error(`No sample of ${name} ${JSON.stringify(labels)}`);
  return samples.reduce((sum, { value }) => sum + value, 0);
}
