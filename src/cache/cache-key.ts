import { hash } from "node:crypto";
import type { ListName, ModelsRoute, ShapeName } from "../http/canonical-path.ts";
import type { Fingerprint } from "../http/credential.ts";
import type { Shape } from "../models/shape.ts";
import type { CacheKey } from "../storage/store.ts";

/** A requested list: which of upstream's lists, and the shape that the client gets. */
export interface ListQuery {
  readonly list: ListName;
  /** The meaningful parameters, sorted; upstream gets exactly these. */
  readonly query: string;
  readonly shape: Shape;
}

/** List and shape for a base URL that names none. */
export interface ListDefaults {
  readonly modelsList: ListName;
  readonly modelsShape: "requested" | ShapeName;
}

// Tools send these without effect (paging, tracking, an explicit default).
const IGNORED_PARAMETERS = new Set(["detailed", "limit", "user", "beta", "after_id", "before_id"]);
// Part of every cache key: a change of what is stored makes old lists unknown instead of misread.
const KEY_VERSION = "1";

// The shape of the rows, and which of NanoGPT's two lists they are made from. A basic list is a fifth of the size.
const SOURCES: Readonly<
  Record<"requested" | ShapeName, { readonly shape: Shape; readonly source: "basic" | "detailed" | "requested" }>
> = {
  requested: { shape: "original", source: "requested" },
  basic: { shape: "basic", source: "basic" },
  detailed: { shape: "original", source: "detailed" },
  openrouter: { shape: "openrouter", source: "detailed" },
};

/** Reads list, shape and meaningful query from a list URL. */
export function parseListQuery({ list, shape: named, query }: ModelsRoute, defaults: ListDefaults): ListQuery {
  const chosen = named ?? defaults.modelsShape;
  const parameters = new URLSearchParams(query);
  const isDetailed = parameters.getAll("detailed").some((value) => value === "true" || value === "1");
  const meaningful = [...parameters].filter(([name]) => !IGNORED_PARAMETERS.has(name));
  const { shape, source } = SOURCES[chosen];
  if (source === "detailed" || (source === "requested" && isDetailed)) meaningful.push(["detailed", "true"]);
  const ordered = new URLSearchParams(meaningful);
  ordered.sort();
  return {
    list: list ?? defaults.modelsList,
    query: ordered.toString(),
    shape,
  };
}

/**
 * The key under which a list is stored. The query and the Origin, which clients choose freely, go in as a digest: users
 * do put keys into queries.
 */
export function cacheKey(fingerprint: Fingerprint, { list, query }: ListQuery, origin: string | undefined): CacheKey {
  const isPlain = origin === undefined && (query === "" || query === "detailed=true");
  const rest = isPlain ? query : hash("sha256", `${fingerprint}\n${query}\n${origin ?? ""}`, "base64url");
  return { fingerprint, variant: `${KEY_VERSION} ${list} ${rest}` };
}
