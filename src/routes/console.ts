import { hash } from "node:crypto";
import type { Handler } from "hono";
import { matchesEtag } from "../http/cache-headers.ts";
import { notFound } from "../http/errors.ts";
import { type AppEnv, toResponse } from "../http/request-context.ts";

/** The console page's files: name to text; empty when CONSOLE is off. `/` serves `index.html`. */
export type ConsoleFiles = ReadonlyMap<string, string>;

/**
 * Creates the handlers of the console page: `front` for `/` (clients that accept HTML get the page, all others
 * `about`) and `file` for `/console/:file`. The files contain no personal data; the page requests the list itself.
 */
export function createConsole(files: ConsoleFiles, about: Handler<AppEnv>): Record<"front" | "file", Handler<AppEnv>> {
  const pages = new Map([...files].map(([name, text]) => [name, pageOf(name, text)] as const));
  const index = pages.get(INDEX);
  return {
    front(c, next) {
      const wantsPage = c.req.raw.headers.get("accept")?.includes("text/html") === true;
      return index === undefined || !wantsPage ? about(c, next) : deliver(c, index);
    },
    file(c) {
      const name = c.req.param("file") ?? "";
      const page = name === INDEX ? undefined : pages.get(name);
      if (page === undefined) throw notFound();
      return deliver(c, page);
    },
  };
}

const INDEX = "index.html";

interface Page {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

function pageOf(name: string, text: string): Page {
  const bytes = new TextEncoder().encode(text);
  const type = TYPES.get(name.slice(name.lastIndexOf("."))) ?? "text/plain";
  const headers = {
    "Content-Type": `${type}; charset=utf-8`,
    "Content-Length": String(bytes.length),
    // A strong ETag: the bytes change only with the deployed version.
    ETag: `"${hash("sha256", bytes, "base64url").slice(0, 27)}"`,
    "Cache-Control": "no-cache",
    ...GUARDS,
    ...(name === INDEX ? { Vary: "Accept" } : {}),
  };
  return { text, headers };
}

const TYPES: ReadonlyMap<string, string> = new Map([
  [".html", "text/html"],
  [".css", "text/css"],
  [".js", "text/javascript"],
]);

// Users type a key into this page: it may load from and connect to its own origin only, and no page may frame it.
// Trusted Types keep text from becoming markup even if the page has a bug.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");
const GUARDS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

function deliver(c: Parameters<Handler<AppEnv>>[0], page: Page): Response {
  const headers: Record<string, string> = { ...page.headers, ...c.env.responseHeaders };
  const ifNoneMatch = c.req.raw.headers.get("if-none-match");
  if (ifNoneMatch === null || !matchesEtag(ifNoneMatch, headers["ETag"] ?? "")) {
    return toResponse(200, headers, page.text);
  }
  delete headers["Content-Length"];
  return toResponse(304, headers);
}
