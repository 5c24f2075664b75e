// The published types (0.6) do not know the second argument that version 1 takes.
declare module "negotiator" {
  export default class Negotiator {
    constructor(request: { headers: { "accept-encoding": string } });
    /** Gives the coding the client likes best; of equal ones the first in `preferred`. */
    encoding(available: readonly string[], options: { preferred: readonly string[] }): string | undefined;
  }
}
