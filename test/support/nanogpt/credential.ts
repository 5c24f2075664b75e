import type { IncomingHttpHeaders } from "node:http";

/** The API key or token of a request, from `Authorization: Bearer` or else from `x-api-key`. */
export function credentialOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const named = headers["x-api-key"];
  return typeof named === "string" && named !== "" ? named : undefined;
}

/** Whether a credential is a partner's signed token: three dot-separated base64url parts. */
export function isSignedToken(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(credential);
}
