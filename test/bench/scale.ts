/** How much is measured. SHORT only shows that everything runs: its numbers mean nothing. */
export interface Scale {
  readonly rounds: number;
  readonly requests: number;
  /** Uncounted first rounds of hits: V8 compiles hot code until about 12,000 requests. */
  readonly warmUps: number;
  readonly keys: readonly number[];
  readonly streams: number;
  readonly events: number;
  readonly starts: number;
}

export const FULL: Scale = {
  rounds: 7,
  requests: 3000,
  warmUps: 4,
  keys: [100, 1000, 2000],
  streams: 200,
  events: 150,
  starts: 7,
};
export const SHORT: Scale = {
  rounds: 1,
  requests: 24,
  warmUps: 1,
  keys: [20],
  streams: 5,
  events: 5,
  starts: 1,
};
