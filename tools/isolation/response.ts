import { brotliDecompressSync, gunzipSync } from "node:zlib";

/** An answer as a check judges it. */
export interface Answer {
  readonly status: number;
  /** Names in lower case; repeated fields joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded. */
  readonly text: string;
  /** The ids of its rows, where it is a list or one model. */
  readonly ids: readonly string[] | undefined;
}

/** Reads what came over the wire. Throws where the body cannot be decoded. */
export function answerOf(
  status: number,
  lines: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): Answer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(lines)) headers[name.toLowerCase()] = String(value ?? "");
  const text = decoded(body, headers["content-encoding"]).toString();
  return { status, headers, text, ids: idsOf(text) };
}

function decoded(body: Buffer, coding: string | undefined): Buffer {
  if (body.length === 0 || coding === undefined || coding === "identity") return body;
  if (coding === "gzip") return gunzipSync(body);
  if (coding === "br") return brotliDecompressSync(body);
  throw new TypeError(`No such coding was asked for: ${coding}`);
}

function idsOf(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    if ("data" in value && Array.isArray(value.data)) return value.data.flatMap(idOf);
    const [id] = idOf(value);
    return id === undefined ? undefined : [id];
  } catch {
    return undefined;
  }
}

function idOf(row: unknown): string[] {
  const isModel = typeof row === "object" && row !== null && "id" in row && typeof row.id === "string";
  return isModel ? [String(row.id)] : [];
}
