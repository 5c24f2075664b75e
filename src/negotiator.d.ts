// The part of negotiator that parses Accept-Encoding: the whole package would take four times the bytes of a Worker.
declare module "negotiator/lib/encoding.js" {
  /** The acceptable codings, the client's favourite first; of equal ones the first in `preferred`. */
  export default function preferredEncodings(
    acceptEncoding: string,
    available: readonly string[],
    preferred: readonly string[],
  ): string[];
}
