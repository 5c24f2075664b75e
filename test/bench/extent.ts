/** How much is measured. The short one only shows that everything runs: its figures mean nothing. */
export interface Extent {
  readonly rounds: number;
  readonly requests: number;
  readonly keys: readonly number[];
  readonly streams: number;
  readonly events: number;
  readonly starts: number;
}

export const FULL: Extent = {
  rounds: 7,
  requests: 3000,
  keys: [100, 1000, 2000],
  streams: 200,
  events: 150,
  starts: 7,
};
export const SHORT: Extent = { rounds: 1, requests: 24, keys: [20], streams: 5, events: 5, starts: 1 };
