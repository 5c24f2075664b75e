import { hash } from "node:crypto";
import type { Handler } from "hono";
import { notFound } from "../http/errors.ts";
import type { AppEnv } from "../http/request-context.ts";
import { matchesEtag } from "../http/cache-control.ts";

/** The files of the console page, text by name; none where there is no page. `index.html` is what `/` answers. */
export type ConsoleFiles = ReadonlyMap<string, string>;

/**
 * The console page: `/` for who accepts HTML, and the page's own files under `/console/`. It is the same for everyone:
 * what is personal the page asks for itself, as any tool does.
 */
export function createConsole(
  files: ConsoleFiles,
  about: Handler<AppEnv>,
): Record<"front" | "file", Handler<AppEnv>> {
  const pages = new Map([...files].map(([name, text]) => [name, pageOf(name, text)] as const));
  const index = pages.get(INDEX);
  return {
    front(c, next) {
      const wantsPage = c.req.raw.headers.get("accept")?.includes("text/html") === true;
      return index === undefined || !wantsPage ? about(c, next) : deliver(c, index);
    },
    file(c) {
      const { route } = c.env;
      const page = route.room === "console" && route.file !== INDEX ? pages.get(route.file) : undefined;
      if (page === undefined) throw notFound();
      return deliver(c, page);
    },
  };
}

const INDEX = "index.html";

interface Page {
  readonly text: string;
  readonly fields: Readonly<Record<string, string>>;
}

function pageOf(name: string, text: string): Page {
  const bytes = new TextEncoder().encode(text);
  const type = TYPES.get(name.slice(name.lastIndexOf("."))) ?? "text/plain";
  const fields = {
    "Content-Type": `${type}; charset=utf-8`,
    "Content-Length": String(bytes.length),
    // Strong: the bytes are the same until another version is deployed.
    ETag: `"${hash("sha256", bytes, "base64url").slice(0, 27)}"`,
    "Cache-Control": "no-cache",
    ...GUARDS,
    ...(name === INDEX ? { Vary: "Accept" } : {}),
  };
  return { text, fields };
}

const TYPES: ReadonlyMap<string, string> = new Map([
  [".html", "text/html"],
  [".css", "text/css"],
  [".js", "text/javascript"],
]);

// A key is typed into this page: it runs nothing, asks nobody and is framed by nobody but this very host. With trusted
// types no text can become markup, not even by a mistake of ours.
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

function deliver(c: Parameters<Handler<AppEnv>>[0], { text, fields }: Page): Response {
  const headers: Record<string, string> = { ...fields, ...c.env.headers };
  const ifNoneMatch = c.req.raw.headers.get("if-none-match");
  if (ifNoneMatch === null || !matchesEtag(ifNoneMatch, headers["ETag"] ?? "")) {
    return new Response(text, { status: 200, headers });
  }
  delete headers["Content-Length"];
  return new Response(null, { status: 304, headers });
}
