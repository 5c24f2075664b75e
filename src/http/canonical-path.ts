import { badRequest, type ApiError } from "./errors.ts";

export type ListName = "personalized" | "canonical" | "subscription" | "paid";
export type ShapeName = "basic" | "detailed" | "openrouter";

/** Where a request goes: its room, and what the path says to it. `path` is what a passthrough adds to its base. */
export type Route =
  | { readonly room: "about" | "healthz" | "readyz" | "metrics" | "hello" | "preflight" | "nowhere" }
  | { readonly room: "refused"; readonly error: ApiError }
  | { readonly room: "passthrough"; readonly path: string }
  | { readonly room: "console"; readonly file: string }
  | ModelsRoute;

export interface ModelsRoute {
  readonly room: "models" | "model";
  /** Undefined where the base URL names none. */
  readonly list: ListName | undefined;
  /** Undefined where the base URL names none. */
  readonly shape: ShapeName | undefined;
  /** Decoded; empty in the room `models`. */
  readonly id: string;
  /** As sent, without the question mark. */
  readonly query: string;
  /** For the methods on this path that pass through. */
  readonly path: string;
}

const SHAPES: ReadonlyMap<string, ShapeName> = new Map([
  ["basic", "basic"],
  ["detailed", "detailed"],
  ["openrouter", "openrouter"],
]);
const LISTS: ReadonlyMap<string, ListName> = new Map([
  ["personalized", "personalized"],
  ["subscription", "subscription"],
  ["paid", "paid"],
]);
const VERSIONS = new Set(["v1", "v1legacy", "v1thinking"]);
const INTERNAL_PATHS: ReadonlyMap<string, "about" | "healthz" | "readyz" | "metrics"> = new Map([
  ["", "about"],
  ["healthz", "healthz"],
  ["readyz", "readyz"],
  ["metrics", "metrics"],
]);
// The calls of OpenAI's and Anthropic's SDKs, for which a base URL without /v1 is forgiven.
const OPENAI_ENDPOINTS =
  /^(?:chat\/completions|completions|responses|messages|embeddings|images|audio)(?:\/|$)/;

/**
 * Finds the route of a request target, given as it was sent.
 * Throws 400 for a target that two programs could read in two ways (see `checked`).
 */
export function route(method: string, target: string): Route {
  return COMMON_LIST_ROUTES.get(target) ?? resolveRoute(method, target);
}

function resolveRoute(method: string, target: string): Route {
  const { path, query } = validateTarget(target);
  const segments = path.split("/").filter((segment) => segment !== "");
  const own = INTERNAL_PATHS.get(segments.join("/"));
  // Written in one way only: what stands before Keylane may have to keep strangers from it.
  if (own !== undefined && (own !== "metrics" || path === "/metrics")) return { room: own };
  if (segments[0] === "console" && segments.length === 2) return { room: "console", file: segments[1] ?? "" };

  const shape = SHAPES.get(segments[0] ?? "");
  if (shape !== undefined) segments.shift();
  const base = parseBase(segments);
  const dropped = Number(shape !== undefined) + Number(base.hasApi);
  const upstreamPath = dropSegments(dropped, path) + target.slice(path.length);

  const rest = segments.slice(base.length);
  if (rest[0] === "chat" && rest[1] === "completions" && rest[2] === "models") rest.splice(0, 2);
  if (rest[0] === "models" && (base.isVersioned || base.length === 0)) {
    const id = decoded(rest.slice(1).join("/"));
    const room = id === "" ? "models" : "model";
    return { room, list: base.list, shape, id, query, path: upstreamPath };
  }
  if (method === "HEAD" && segments.at(-2) === "api" && segments.at(-1) === "hello") return { room: "hello" };
  if (base.isVersioned || segments[0]?.startsWith("v1")) return { room: "passthrough", path: upstreamPath };
  if (base.hasApi && segments.length > 1) return { room: "passthrough", path: upstreamPath };
  if (OPENAI_ENDPOINTS.test(segments.join("/"))) return { room: "passthrough", path: `/v1${upstreamPath}` };
  return { room: "nowhere" };
}

interface Base {
  readonly length: number;
  readonly hasApi: boolean;
  readonly list: ListName | undefined;
  readonly isVersioned: boolean;
}

// [api] [personalized | subscription | paid] v1[legacy | thinking] [v1]
function parseBase(segments: readonly string[]): Base {
  let length = 0;
  const hasApi = segments[length] === "api";
  if (hasApi) length++;
  const list = LISTS.get(segments[length] ?? "");
  if (list !== undefined) length++;
  const isVersioned = VERSIONS.has(segments[length] ?? "");
  if (isVersioned) length++;
  // Claude Code adds /v1 to a base URL that already ends with it.
  if (isVersioned && segments[length] === "v1") length++;
  return { length, hasApi, list, isVersioned };
}

// The bytes of what remains are not touched: `%2F` and doubled slashes go up as they came.
function dropSegments(count: number, path: string): string {
  let rest = path;
  for (let i = 0; i < count; i++) rest = rest.replace(/^\/+[^/]*/, "");
  return rest === "" ? "/" : rest;
}

/** Splits a target in origin form, and throws 400 for dot segments, backslashes, controls and broken escapes. */
function validateTarget(target: string): { path: string; query: string } {
  if (!target.startsWith("/")) throw badRequest("Send a request target that begins with a slash.");
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? "" : target.slice(mark + 1);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\\#\u0000-\u0020\u007f]/.test(path)) {
    throw badRequest("Send a path without backslashes, spaces, fragments and control characters.");
  }
  if (path.includes("%")) {
    if (/%(?![0-9a-f]{2})/i.test(path))
      throw badRequest("Send a path in which each % begins an escape such as %2F.");
    if (/%(?:00|0a|0d|5c)/i.test(path))
      throw badRequest("Send a path without escaped controls and backslashes.");
  }
  // Servers are known to read `..;x` as a dot segment too.
  const plain = path.includes("%") ? path.replaceAll(/%2e/gi, ".").replaceAll(/%2f/gi, "/") : path;
  if (/\/\.\.?(?:;[^/]*)?(?:\/|$)/.test(plain)) throw badRequest("Send a path without dot segments.");
  return { path, query };
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    throw badRequest("Send a model id whose escapes are UTF-8.");
  }
}

/** The routes of the targets that most tools ask for a list: always these very objects. */
export const COMMON_LIST_ROUTES: ReadonlyMap<string, ModelsRoute> = new Map(
  [
    "/v1/models",
    "/api/v1/models",
    "/models",
    "/basic/v1/models",
    "/detailed/v1/models",
    "/openrouter/v1/models",
  ]
    .flatMap((target) => [target, `${target}?detailed=true`])
    .flatMap((target) => {
      const usual = resolveRoute("GET", target);
      return usual.room === "models" ? [[target, usual]] : [];
    }),
);
