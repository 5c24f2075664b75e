import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { isJsonObject, parseJson } from "../../src/http/json.ts";

/** A response as the checks judge it. */
export interface Answer {
  readonly status: number;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** The decoded body. */
  readonly text: string;
  /** The ids of its models, if it is a list or one model. */
  readonly ids: readonly string[] | undefined;
}

/** Parses a response. Throws if the body cannot be decoded. */
export function parseAnswer(
  status: number,
  rawHeaders: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): Answer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(rawHeaders)) headers[name.toLowerCase()] = String(value ?? "");
  const text = decode(body, headers["content-encoding"]).toString();
  return { status, headers, text, ids: idsOf(parseJson(text)) };
}

function decode(body: Buffer, coding: string | undefined): Buffer {
  if (body.length === 0 || coding === undefined || coding === "identity") return body;
  if (coding === "gzip") return gunzipSync(body);
  if (coding === "br") return brotliDecompressSync(body);
  throw new TypeError(`A coding that was not requested: ${coding}`);
}

function idsOf(json: unknown): string[] | undefined {
  if (!isJsonObject(json)) return undefined;
  if (Array.isArray(json["data"])) return json["data"].flatMap(idOf);
  const ids = idOf(json);
  return ids.length === 0 ? undefined : ids;
}

function idOf(row: unknown): string[] {
  return isJsonObject(row) && typeof row["id"] === "string" ? [row["id"]] : [];
}
