import type { IncomingMessage, ServerResponse } from "node:http";
import { badRequest, type ApiError } from "../http/errors.ts";
import { joinedHeader } from "../http/headers.ts";
import type { RawRequest, Forward } from "../http/request-context.ts";

/** Makes the passthrough of one request. */
export type ForwardFactory = (incoming: IncomingMessage, outgoing: ServerResponse) => Forward;

/** What Node knows of a request. */
export function toRawRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  carry: ForwardFactory,
): RawRequest {
  return {
    target: incoming.url ?? "",
    rawHeaders: () => incoming.rawHeaders,
    header: (name) => joinedHeader(incoming.rawHeaders, name),
    forward: carry(incoming, outgoing),
  };
}

/** Gives what is wrong with a request that Node's parser lets through. */
export function validateRequest(incoming: IncomingMessage): ApiError | undefined {
  return versionFault(incoming) ?? hostFault(incoming);
}

// Names and ports that any program reads alike; a Request, whose making checks a Host, takes more.
const PLAIN_HOST = /^[a-z\d._-]+(?::[1-9]\d{3}|:[1-5]\d{4})?$/;

/** Says of a request that there is nothing to ask about its version and Host: what is not plain may yet be sound. */
export function isPlain(incoming: IncomingMessage): boolean {
  return PLAIN_HOST.test(incoming.headers.host ?? "") && validateRequest(incoming) === undefined;
}

// Node's parser also takes 0.9 and 2.0, and reads them as if they were 1.0.
function versionFault({ httpVersion }: IncomingMessage): ApiError | undefined {
  if (httpVersion === "1.1" || httpVersion === "1.0") return undefined;
  return badRequest("Send a request of HTTP/1.1.");
}

// RFC 9112 §3.2: a request of HTTP/1.1 has one Host, and a server must refuse any other number.
function hostFault({ rawHeaders, httpVersion }: IncomingMessage): ApiError | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === "1.0")) return undefined;
  return badRequest("Send one Host header.");
}
