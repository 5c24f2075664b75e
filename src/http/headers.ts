/** Header lines as they were sent: name, value, name, value, …, with order, case and repetitions. */
export type RawHeaders = readonly string[];

/** The value of a header by its lower-case name: repeated lines joined by a comma, null where there is none. */
export type HeaderGetter = (name: string) => string | null;

// RFC 9110 §7.6.1 and §11.7: these belong to one connection, or to one proxy.
const HOP_BY_HOP = new Set(["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]);
// A Connection header cannot remove these: the call would arrive without its key.
const CREDENTIALS = new Set(["authorization", "x-api-key"]);
// Host is upstream's own, Expect is answered here, a browser's cookies for localhost belong to another program.
const STRIPPED_REQUEST_HEADERS = new Set(["host", "expect", "cookie"]);
const CORS_FIELD = /^access-control-(?:allow|max)-/;

/** The header lines for upstream: all end-to-end lines as they came, and Via (RFC 9110 §7.6.3). */
export function toUpstreamHeaders(lines: RawHeaders): string[] {
  const up = endToEnd(lines, (lower) => STRIPPED_REQUEST_HEADERS.has(lower));
  up.push("Via", "1.1 keylane");
  return up;
}

/** The header lines for the client: all end-to-end lines, Keylane's CORS fields in place of upstream's, and a Date. */
export function toClientHeaders(lines: RawHeaders, cors: Readonly<Record<string, string>>, now: number): string[] {
  const down = endToEnd(lines, (lower) => CORS_FIELD.test(lower));
  for (const [name, value] of Object.entries(cors)) down.push(name, value);
  // RFC 9110 §6.6.1: a recipient with a clock adds the Date that is missing.
  if (firstHeader(lines, "date") === undefined) down.push("Date", new Date(now).toUTCString());
  return down;
}

/** Removes hop-by-hop lines, Set-Cookie, and the names (in lower case) that `isStripped` selects. */
export function endToEnd(lines: RawHeaders, isStripped: (lower: string) => boolean = () => false): string[] {
  const isHopByHop = hopByHop(lines);
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [name, value] = [lines[i] ?? "", lines[i + 1] ?? ""];
    const lower = name.toLowerCase();
    if (!isHopByHop(lower) && lower !== "set-cookie" && !isStripped(lower)) kept.push(name, value);
  }
  return kept;
}

/** The value of the first line of a lower-case name. */
export function firstHeader(lines: RawHeaders, wanted: string): string | undefined {
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (isNamed(lines[i], wanted)) return lines[i + 1];
  }
  return undefined;
}

/** The values of all lines of a lower-case name, joined as Headers does (RFC 9110 §5.3). */
export function joinedHeader(lines: RawHeaders, wanted: string): string | null {
  let value: string | null = null;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (isNamed(lines[i], wanted)) value = value === null ? (lines[i + 1] ?? "") : `${value}, ${lines[i + 1]}`;
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
