/** Header fields as they were sent: name, value, name, value, …; order, case and repetition kept. */
export type RawHeaders = readonly string[];

/** Gives the value of a field, named in lower case: repeated ones joined by a comma, null where there is none. */
export type HeaderGetter = (name: string) => string | null;

// RFC 9110 §7.6.1 and §11.7: these belong to one connection, or to one proxy.
const HOP_BY_HOP = new Set(["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]);
// A Connection field cannot take these away: without them the call would be nobody's.
const CREDENTIALS = new Set(["authorization", "x-api-key"]);
// Host is upstream's own, Expect is answered here, a browser's cookies for localhost belong to some neighbour.
const STRIPPED_REQUEST_HEADERS = new Set(["host", "expect", "cookie"]);
const CORS_FIELD = /^access-control-(?:allow|max)-/;

/** Gives the fields that go up: all end-to-end fields as they came, and Via (RFC 9110 §7.6.3). */
export function toUpstreamHeaders(lines: RawHeaders): string[] {
  const up = endToEnd(lines, (lower) => STRIPPED_REQUEST_HEADERS.has(lower));
  up.push("Via", "1.1 keylane");
  return up;
}

/** Gives the fields that come down: all end-to-end fields, but our CORS fields for upstream's, and a Date. */
export function toClientHeaders(
  lines: RawHeaders,
  cors: Readonly<Record<string, string>>,
  now: number,
): string[] {
  const down = endToEnd(lines, (lower) => CORS_FIELD.test(lower));
  for (const [name, value] of Object.entries(cors)) down.push(name, value);
  // RFC 9110 §6.6.1: a recipient with a clock adds the Date that is missing.
  if (firstHeader(lines, "date") === undefined) down.push("Date", new Date(now).toUTCString());
  return down;
}

/** Leaves out what belongs to one connection, Set-Cookie, and what `isLeftOut` names (in lower case). */
export function endToEnd(lines: RawHeaders, isLeftOut: (lower: string) => boolean = () => false): string[] {
  const isHopByHop = hopByHop(lines);
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [name, value] = [lines[i] ?? "", lines[i + 1] ?? ""];
    const lower = name.toLowerCase();
    if (!isHopByHop(lower) && lower !== "set-cookie" && !isLeftOut(lower)) kept.push(name, value);
  }
  return kept;
}

/** Gives the value of the first field of that name (in lower case). */
export function firstHeader(lines: RawHeaders, wanted: string): string | undefined {
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (isNamed(lines[i], wanted)) return lines[i + 1];
  }
  return undefined;
}

/** Gives the values of all fields of that name (in lower case) as one, as Headers would (RFC 9110 §5.3). */
export function joinedHeader(lines: RawHeaders, wanted: string): string | null {
  let value: string | null = null;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (isNamed(lines[i], wanted))
      value = value === null ? (lines[i + 1] ?? "") : `${value}, ${lines[i + 1]}`;
  }
  return value;
}

export function* headerEntries(lines: RawHeaders): Generator<readonly [string, string]> {
  for (let i = 0; i + 1 < lines.length; i += 2) yield [lines[i] ?? "", lines[i + 1] ?? ""];
}

function hopByHop(lines: RawHeaders): (lower: string) => boolean {
  const named = new Set<string>();
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (!isNamed(lines[i], "connection")) continue;
    for (const option of lines[i + 1]?.toLowerCase().split(",") ?? []) named.add(option.trim());
  }
  return (lower) =>
    HOP_BY_HOP.has(lower) || lower.startsWith("proxy-") || (named.has(lower) && !CREDENTIALS.has(lower));
}

function isNamed(name: string | undefined, lower: string): boolean {
  return name?.length === lower.length && name.toLowerCase() === lower;
}
