import { hash } from "node:crypto";
import type { Fingerprint } from "../http/credential.ts";
import type { ListName, ModelsRoute, ShapeName } from "../http/canonical-path.ts";
import type { Shape } from "../models/shape.ts";
import type { CacheKey } from "../storage/store.ts";

/** What a request wants to know: a list of upstream's, and the shape in which it is given back. */
export interface ListQuery {
  readonly list: ListName;
  /** The parameters that matter, in one order; this is also what upstream is asked. */
  readonly query: string;
  readonly shape: Shape;
}

/** What stands behind a path that names neither list nor shape. */
export interface ListDefaults {
  readonly modelsList: ListName;
  readonly modelsShape: "requested" | ShapeName;
}

// Tools send these without meaning anything by them (paging, tracking, a default spelt out).
const IGNORED_PARAMETERS = new Set(["detailed", "limit", "user", "beta", "after_id", "before_id"]);
// Part of every cache key: a change of what is stored makes old lists unknown instead of misread.
const KEY_VERSION = "1";

/** Finds the question of a path and its query. */
export function parseListQuery({ list, shape: named, query }: ModelsRoute, plain: ListDefaults): ListQuery {
  const chosen = named ?? plain.modelsShape;
  const parameters = new URLSearchParams(query);
  const isDetailed = parameters.getAll("detailed").some((value) => value === "true" || value === "1");
  const meaningful = [...parameters].filter(([name]) => !IGNORED_PARAMETERS.has(name));
  const shape = chosen === "basic" || chosen === "openrouter" ? chosen : "original";
  // A basic list is asked for as one: it is a fifth of the size.
  if (chosen === "detailed" || shape === "openrouter" || (chosen === "requested" && isDetailed)) {
    meaningful.push(["detailed", "true"]);
  }
  const ordered = new URLSearchParams(meaningful);
  ordered.sort();
  return {
    list: list ?? plain.modelsList,
    query: ordered.toString(),
    shape,
  };
}

/**
 * Names where the answer is stored. What a caller can write freely, the query and the Origin, goes in as a digest:
 * people do put keys into queries.
 */
export function cacheKey(
  fingerprint: Fingerprint,
  { list, query }: ListQuery,
  origin: string | undefined,
): CacheKey {
  const isPlain = origin === undefined && (query === "" || query === "detailed=true");
  const rest = isPlain ? query : hash("sha256", `${fingerprint}\n${query}\n${origin ?? ""}`, "base64url");
  return { fingerprint, variant: `${KEY_VERSION} ${list} ${rest}` };
}
