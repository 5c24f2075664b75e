/** How much is measured. The short one only shows that everything runs: its metrics mean nothing. */
export interface Scale {
  readonly rounds: number;
  readonly requests: number;
  /** Rounds of hits before those that count: until V8 has compiled what is hot, for 12,000 requests. */
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
