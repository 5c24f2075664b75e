// The part of the runtime's module that is used; its published types would change the globals of all files.
declare module "cloudflare:workers" {
  /** Extends the lifetime of the current request. */
  export function waitUntil(work: Promise<unknown>): void;
}
