import { hash } from "node:crypto";
import preferredEncodings from "negotiator/lib/encoding.js";
import { modelBytes, modelsOf } from "../models/model-list.ts";
import { applyShape, type Shape } from "../models/shape.ts";
import type { Codecs, Coding, PendingRepresentation, Representation, StoredList } from "../storage/store.ts";

/** The part of a list that a client requests: its shape, and all rows or one (by id). */
export interface View {
  readonly shape: Shape;
  readonly id: string | undefined;
}

/** The Accept-Encoding of browsers, SDKs and tools. */
export const COMMON_ACCEPT_ENCODINGS: readonly (string | null)[] = [
  null,
  "gzip",
  "gzip, deflate",
  "gzip, deflate, br",
  "gzip, deflate, br, zstd",
  "gzip, deflate, zstd",
  "gzip, br",
  "br, gzip, deflate",
  "gzip, compress, deflate, br",
  "identity",
];

/** The coding that Accept-Encoding prefers by q-value; of equals the smallest, else identity. */
export function negotiateCoding(acceptEncoding: string | null, codecs: Codecs): Coding {
  if (acceptEncoding === null || codecs.size === 0) return "identity";
  const available = [...codecs.keys(), "identity"];
  const [chosen] = preferredEncodings(acceptEncoding, available, available);
  return [...codecs.keys()].find((coding) => coding === chosen) ?? "identity";
}

/** Encodes a valid list for storage, into a buffer of its own. */
export async function encodeOriginal(
  bytes: Uint8Array<ArrayBuffer>,
  coding: Coding,
  codecs: Codecs,
): Promise<Representation> {
  return { coding, bytes: await encode(bytes, coding, codecs), etag: etagOf(bytes) };
}

/** A view of a list in a coding: rendered when first requested, once for concurrent requests, and stored. */
export function getRepresentation(
  list: StoredList,
  view: View,
  coding: Coding,
  codecs: Codecs,
): Representation | PendingRepresentation {
  const known = lookup(list, view, coding);
  if (known !== undefined) return known;
  const name = viewName(list, view, coding);
  const pending = render(list, isWhole(list, view) ? undefined : view, coding, codecs).then(
    (rendered) => {
      if (rendered === undefined) list.views.delete(name);
      else list.views.set(name, rendered);
      return rendered;
    },
    (error: unknown) => {
      list.views.delete(name);
      throw error;
    },
  );
  list.views.set(name, pending);
  return pending;
}

function lookup(list: StoredList, view: View, coding: Coding): Representation | PendingRepresentation | undefined {
  if (list.original.coding === coding && isWhole(list, view)) return list.original;
  return list.views.get(viewName(list, view, coding));
}

function viewName(list: StoredList, view: View, coding: Coding): string {
  return `${isWhole(list, view) ? "original" : view.shape} ${coding} ${view.id ?? ""}`;
}

// Whether a view is the list as it came, with every row.
function isWhole(list: StoredList, { shape, id }: View): boolean {
  if (id !== undefined) return false;
  return shape === "original" || list.isEmpty || (shape === "basic" && list.isBasic);
}

async function render(
  { original }: StoredList,
  view: View | undefined,
  coding: Coding,
  codecs: Codecs,
): Promise<Representation | undefined> {
  const decoded = (await codecs.get(original.coding)?.decode(original.bytes)) ?? original.bytes;
  const bytes = view === undefined ? decoded : applyView(decoded, view);
  if (bytes === undefined) return undefined;
  const etag = view === undefined ? original.etag : etagOf(bytes);
  return { coding, bytes: await encode(bytes, coding, codecs), etag };
}

function applyView(bytes: Uint8Array<ArrayBuffer>, { shape, id }: View): Uint8Array<ArrayBuffer> | undefined {
  if (shape === "original") return id === undefined ? bytes : modelBytes(bytes, id);
  const models = modelsOf(bytes);
  if (id === undefined) return json({ object: "list", data: models.map((model) => applyShape(model, shape)) });
  const model = models.find((one) => one.id === id);
  return model === undefined ? undefined : json(applyShape(model, shape));
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

async function encode(
  bytes: Uint8Array<ArrayBuffer>,
  coding: Coding,
  codecs: Codecs,
): Promise<Uint8Array<ArrayBuffer>> {
  const codec = codecs.get(coding);
  return codec === undefined ? new Uint8Array(bytes) : codec.encode(bytes);
}

function etagOf(bytes: Uint8Array): string {
  return `W/"${hash("sha256", bytes, "base64url").slice(0, 27)}"`;
}
