// The part of negotiator that knows codings alone: the whole of it would take four times the room in a Worker.
declare module "negotiator/lib/encoding.js" {
  /** Gives the codings that the client takes, the one it likes best first; of equal ones the first in `preferred`. */
  export default function preferredEncodings(
    acceptEncoding: string,
    available: readonly string[],
    preferred: readonly string[],
  ): string[];
}
