// What is used of the runtime's own module, whose published types would change the globals of all files.
declare module "cloudflare:workers" {
  /** Keeps the request awake in which it is called. */
  export function waitUntil(work: Promise<unknown>): void;
}
