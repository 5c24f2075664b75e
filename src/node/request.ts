import type { IncomingMessage, ServerResponse } from "node:http";
import { badRequest, type KeylaneError } from "../http/errors.ts";
import { combined } from "../http/headers.ts";
import type { Arrival, Carry } from "../http/request-context.ts";

/** Makes the passthrough of one request. */
export type Carrying = (incoming: IncomingMessage, outgoing: ServerResponse) => Carry;

/** What Node knows of a request. */
export function arrivalOf(incoming: IncomingMessage, outgoing: ServerResponse, carry: Carrying): Arrival {
  return {
    target: incoming.url ?? "",
    lines: () => incoming.rawHeaders,
    field: (name) => combined(incoming.rawHeaders, name),
    carry: carry(incoming, outgoing),
  };
}

/** Gives what is wrong with a request that Node's parser lets through. */
export function faultOf(incoming: IncomingMessage): KeylaneError | undefined {
  return versionFault(incoming) ?? hostFault(incoming);
}

// Names and ports that any program reads alike; a Request, whose making checks a Host, takes more.
const PLAIN_HOST = /^[a-z\d._-]+(?::[1-9]\d{3}|:[1-5]\d{4})?$/;

/** Says of a request that there is nothing to ask about its version and Host: what is not plain may yet be sound. */
export function isPlain(incoming: IncomingMessage): boolean {
  return PLAIN_HOST.test(incoming.headers.host ?? "") && faultOf(incoming) === undefined;
}

// Node's parser also takes 0.9 and 2.0, and reads them as if they were 1.0.
function versionFault({ httpVersion }: IncomingMessage): KeylaneError | undefined {
  if (httpVersion === "1.1" || httpVersion === "1.0") return undefined;
  return badRequest("Send a request of HTTP/1.1.");
}

// RFC 9112 §3.2: a request of HTTP/1.1 has one Host, and a server must refuse any other number.
function hostFault({ rawHeaders, httpVersion }: IncomingMessage): KeylaneError | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === "1.0")) return undefined;
  return badRequest("Send one Host header.");
}
