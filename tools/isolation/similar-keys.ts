/** A key that differs little from a real one; `how` completes "KEY_A …". */
export interface SimilarKey {
  readonly how: string;
  readonly key: string;
}

/** Makes keys that a careless cache could take for the given one; none of them is in `real`. */
export function similarKeys(key: string, real: readonly string[]): SimilarKey[] {
  const middle = Math.floor(key.length / 2);
  const similar = [
    { how: "the last character changed", key: key.slice(0, -1) + differentFrom(key.at(-1)) },
    { how: "the first character changed", key: differentFrom(key[0]) + key.slice(1) },
    {
      how: "one character changed",
      key: key.slice(0, middle) + differentFrom(key[middle]) + key.slice(middle + 1),
    },
    { how: "in capitals", key: key.toUpperCase() },
    { how: "in small letters", key: key.toLowerCase() },
    { how: "the last character missing", key: key.slice(0, -1) },
    { how: "the first character missing", key: key.slice(1) },
    { how: "only its first half", key: key.slice(0, middle) },
    { how: "only its second half", key: key.slice(middle) },
    ...["x", "=", ":", "/", "."].map((junk) => ({ how: `with ${junk} behind it`, key: key + junk })),
    { how: "with x before it", key: `x${key}` },
    { how: "twice", key: key + key },
  ];
  return similar.filter((candidate) => !real.includes(candidate.key));
}

function differentFrom(character: string | undefined): string {
  return character === "0" ? "1" : "0";
}
