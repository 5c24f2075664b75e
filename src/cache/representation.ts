import { hash } from "node:crypto";
import preferredEncodings from "negotiator/lib/encoding.js";
import { modelBytes, modelsOf } from "../models/model-list.ts";
import { applyShape, type Shape } from "../models/shape.ts";
import type { Codecs, Coding, RepresentationSlot, Representation, StoredList } from "../storage/store.ts";

/** What of a list is wanted: rows as they came or in another shape; all of them or one. */
export interface View {
  readonly shape: Shape;
  readonly id: string | undefined;
}

/** What browsers, SDKs and tools send as Accept-Encoding. */
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

/** Chooses the coding that the caller's Accept-Encoding prefers; of equals the smallest, else identity. */
export function negotiateCoding(acceptEncoding: string | null, codecs: Codecs): Coding {
  if (acceptEncoding === null || codecs.size === 0) return "identity";
  const available = [...codecs.keys(), "identity"];
  const [chosen] = preferredEncodings(acceptEncoding, available, available);
  return [...codecs.keys()].find((coding) => coding === chosen) ?? "identity";
}

/** Codes a checked list for keeping. The bytes are its own: no part of a larger buffer. */
export async function encodeOriginal(
  bytes: Uint8Array<ArrayBuffer>,
  coding: Coding,
  codecs: Codecs,
): Promise<Representation> {
  return { coding, bytes: await encode(bytes, coding, codecs), etag: etagOf(bytes) };
}

/** Gives a view of a list in a coding where it is made already. */
export function getReady(list: StoredList, view: View, coding: Coding): Representation | undefined {
  const held = lookup(list, view, coding);
  return held instanceof Promise ? undefined : held;
}

/** Gives a view of a list in a coding. It is made when first asked for, once for all who ask, and kept. */
export function getRepresentation(
  list: StoredList,
  view: View,
  coding: Coding,
  codecs: Codecs,
): RepresentationSlot {
  const held = lookup(list, view, coding);
  if (held !== undefined) return held;
  const name = viewName(list, view, coding);
  const making = render(list, isWhole(list, view) ? undefined : view, coding, codecs).then(
    (made) => {
      if (made === undefined) list.views.delete(name);
      else list.views.set(name, made);
      return made;
    },
    (fault: unknown) => {
      list.views.delete(name);
      throw fault;
    },
  );
  list.views.set(name, making);
  return making;
}

function lookup(list: StoredList, view: View, coding: Coding): RepresentationSlot | undefined {
  if (list.original.coding === coding && isWhole(list, view)) return list.original;
  return list.views.get(viewName(list, view, coding));
}

function viewName(list: StoredList, view: View, coding: Coding): string {
  return `${isWhole(list, view) ? "original" : view.shape} ${coding} ${view.id ?? ""}`;
}

// The list as it came, every row of it.
function isWhole(list: StoredList, { shape, id }: View): boolean {
  if (id !== undefined) return false;
  return shape === "original" || list.isEmpty || (shape === "basic" && list.isBasic);
}

// Map slot, object, typed array, validator.

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
  if (id === undefined)
    return json({ object: "list", data: models.map((model) => applyShape(model, shape)) });
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
