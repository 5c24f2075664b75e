// The used part of the runtime's module; the published types would change the globals of all files.
declare module "cloudflare:workers" {
  /** Extends the lifetime of the current request. */
  export function waitUntil(work: Promise<unknown>): void;
}
