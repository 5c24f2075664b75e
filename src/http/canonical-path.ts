import { badRequest, type ApiError } from "./errors.ts";

export const LIST_NAMES = ["personalized", "canonical", "subscription", "paid"] as const;
export type ListName = (typeof LIST_NAMES)[number];
export const SHAPE_NAMES = ["basic", "detailed", "openrouter"] as const;
export type ShapeName = (typeof SHAPE_NAMES)[number];

interface Path<Kind> {
  /** The label in log and metrics. */
  readonly kind: Kind;
  /** What the routes in `app.ts` match. */
  readonly canonicalPath: string;
}

/** Where a request target leads. */
export type Route =
  | Path<"root" | "console" | "healthz" | "readyz" | "metrics" | "probe" | "preflight" | "not_found">
  | (Path<"invalid"> & { readonly error: ApiError })
  | (Path<"passthrough"> & { readonly upstreamPath: string })
  | ModelsRoute;

export interface ModelsRoute extends Path<"models" | "model"> {
  /** List and shape are undefined where the base URL names none. */
  readonly list: ListName | undefined;
  readonly shape: ShapeName | undefined;
  /** As sent, without the question mark. */
  readonly query: string;
  /** Path and query to append to the passthrough's base URL, for the methods on this path that pass through. */
  readonly upstreamPath: string;
}

export const NOT_FOUND: Route = { kind: "not_found", canonicalPath: "/not-found" };
export const PREFLIGHT: Route = { kind: "preflight", canonicalPath: "/preflight" };

const SHAPES: ReadonlyMap<string, ShapeName> = new Map(SHAPE_NAMES.map((name) => [name, name]));
// NanoGPT's canonical list has no prefix.
const LISTS: ReadonlyMap<string, ListName> = new Map(
  LIST_NAMES.filter((name) => name !== "canonical").map((name) => [name, name]),
);
const VERSIONS = new Set(["v1", "v1legacy", "v1thinking"]);
const INTERNAL_PATHS: ReadonlyMap<string, Route> = new Map([
  ["", { kind: "root", canonicalPath: "/" }],
  ["healthz", { kind: "healthz", canonicalPath: "/healthz" }],
  ["readyz", { kind: "readyz", canonicalPath: "/readyz" }],
  ["metrics", { kind: "metrics", canonicalPath: "/metrics" }],
]);
// The calls of OpenAI's and Anthropic's SDKs, for which a base URL without /v1 works too.
const OPENAI_ENDPOINTS = /^(?:chat\/completions|completions|responses|messages|embeddings|images|audio)(?:\/|$)/;

/**
 * Finds the route of a request target, given as it was sent.
 * Throws 400 for a target that two programs could read in two ways (see `validateTarget`).
 */
export function route(method: string, target: string): Route {
  return COMMON_LIST_ROUTES.get(target) ?? resolveRoute(method, target);
}

function resolveRoute(method: string, target: string): Route {
  const { path, query } = validateTarget(target);
  const segments = splitPath(path);
  const internal = INTERNAL_PATHS.get(segments.join("/"));
  // Spelled in one way only: a proxy in front may have to close it to the public.
  if (internal !== undefined && (internal.kind !== "metrics" || path === "/metrics")) return internal;
  if (segments[0] === "console" && segments.length === 2)
    return { kind: "console", canonicalPath: `/console/${segments[1]}` };

  const base = parseBase(segments);
  const upstreamPath = dropSegments(base.droppedUpstream, path) + target.slice(path.length);
  const rest = segments.slice(base.length);
  if (rest[0] === "chat" && rest[1] === "completions" && rest[2] === "models") rest.splice(0, 2);
  const isList = rest[0] === "models" && (base.isVersioned || !(base.hasApi || base.list !== undefined));
  if (isList) {
    const id = rest.slice(1).join("/");
    if (!isUtf8(id)) throw badRequest("Send a model id whose escapes are UTF-8.");
    const list = { list: base.list, shape: base.shape, query, upstreamPath };
    if (id === "") return { kind: "models", canonicalPath: "/v1/models", ...list };
    return { kind: "model", canonicalPath: `/v1/models/${id}`, ...list };
  }
  if (method === "HEAD" && segments.at(-2) === "api" && segments.at(-1) === "hello")
    return { kind: "probe", canonicalPath: "/api/hello" };

  const call = base.shape === undefined ? segments : segments.slice(1);
  const isUpstreamPath = base.isVersioned || call[0]?.startsWith("v1") === true || (base.hasApi && call.length > 1);
  if (isUpstreamPath) return passthrough(upstreamPath);
  return OPENAI_ENDPOINTS.test(call.join("/")) ? passthrough(`/v1${upstreamPath}`) : NOT_FOUND;
}

function passthrough(upstreamPath: string): Route {
  return { kind: "passthrough", canonicalPath: "/passthrough", upstreamPath };
}

/** The segments of a path that are a base URL of Keylane's. */
export interface BasePath {
  /** How many leading segments belong to it. */
  readonly length: number;
  /** How many of them NanoGPT does not get: the shape, and `api`, which UPSTREAM_URL ends with. */
  readonly droppedUpstream: number;
  readonly shape: ShapeName | undefined;
  readonly hasApi: boolean;
  readonly list: ListName | undefined;
  readonly isVersioned: boolean;
}

/**
 * Reads the one grammar of base URLs from the begin of a path:
 * `[basic | detailed | openrouter] [api] [personalized | subscription | paid] [v1[legacy | thinking]] [v1]`.
 */
export function parseBase(segments: readonly string[]): BasePath {
  let length = 0;
  const shape = SHAPES.get(segments[length] ?? "");
  if (shape !== undefined) length++;
  const hasApi = segments[length] === "api";
  if (hasApi) length++;
  const droppedUpstream = length;
  const list = LISTS.get(segments[length] ?? "");
  if (list !== undefined) length++;
  const isVersioned = VERSIONS.has(segments[length] ?? "");
  if (isVersioned) length++;
  // Claude Code adds /v1 to a base URL that already ends with it.
  if (isVersioned && segments[length] === "v1") length++;
  return { length, droppedUpstream, shape, hasApi, list, isVersioned };
}

/** The segments of a path; empty ones, which doubled slashes make, do not count. */
export function splitPath(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

// The bytes of what remains are not touched: `%2F` and doubled slashes go up as they came.
function dropSegments(count: number, path: string): string {
  let rest = path;
  for (let i = 0; i < count; i++) rest = rest.replace(/^\/+[^/]*/, "");
  return rest === "" ? "/" : rest;
}

/** Splits a target in origin form. Throws 400 for dot segments, backslashes, controls and broken escapes. */
function validateTarget(target: string): { path: string; query: string } {
  if (!target.startsWith("/")) throw badRequest("Send a request target that begins with a slash.");
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? "" : target.slice(mark + 1);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\\#\u0000-\u0020\u007f]/.test(path)) {
    throw badRequest("Send a path without backslashes, spaces, fragments and control characters.");
  }
  if (path.includes("%")) {
    if (/%(?![0-9a-f]{2})/i.test(path)) throw badRequest("Send a path in which each % begins an escape such as %2F.");
    if (/%(?:00|0a|0d|5c)/i.test(path)) throw badRequest("Send a path without escaped controls and backslashes.");
  }
  // Some servers read `..;x` as a dot segment too.
  const plain = path.includes("%") ? path.replaceAll(/%2e/gi, ".").replaceAll(/%2f/gi, "/") : path;
  if (/\/\.\.?(?:;[^/]*)?(?:\/|$)/.test(plain)) throw badRequest("Send a path without dot segments.");
  return { path, query };
}

function isUtf8(escaped: string): boolean {
  try {
    decodeURIComponent(escaped);
    return true;
  } catch {
    return false;
  }
}

/** The routes of the list URLs that most tools request: always these very objects. */
export const COMMON_LIST_ROUTES: ReadonlyMap<string, ModelsRoute> = new Map(
  ["/v1/models", "/api/v1/models", "/models", "/basic/v1/models", "/detailed/v1/models", "/openrouter/v1/models"]
    .flatMap((target) => [target, `${target}?detailed=true`])
    .flatMap((target) => {
      const common = resolveRoute("GET", target);
      return common.kind === "models" ? [[target, common]] : [];
    }),
);
