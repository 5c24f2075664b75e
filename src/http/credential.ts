import { hash } from "node:crypto";
import { ApiError, errorBody, unauthorized } from "./errors.ts";

/** Who is asking. A `token` is a signed, short-lived JWT: it names a caller for one call only. */
export interface Caller {
  readonly kind: "key" | "token";
  readonly credential: string;
}

/** An opaque name for a credential at an upstream; says nothing of either without the secret. */
export type Fingerprint = string;

// NanoGPT's keys are `sk-nano-` and a UUID, or a bare UUID; this is every character of RFC 6750's b68token, and a colon.
const KEY = /^[\w.~+/:=-]+$/;
const KEY_MAX_LENGTH = 512;
// The scheme is case-insensitive (RFC 9110 §11.1). White space is what HTTP means by it: a pasted no-break space is
// no part of a scheme, and of no key.
const BEARER = /^bearer(?:[ \t]+|$)/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const JWT_MAX_LENGTH = 8192;
// What tools send when their user has entered no key.
const PLACEHOLDERS = new Set(["", "undefined", "null"]);

/**
 * Reads the two credential headers (`null` when absent, repeated ones joined by a comma, as Headers gives them).
 * Throws 401 when there is no usable key and 400 when it is not clear which one is meant.
 */
export function parseCredential(authorization: string | null, apiKey: string | null): Caller {
  if (isRepeated(authorization) || isRepeated(apiKey)) throw ambiguous();
  const bearer = nonPlaceholder(authorization?.replace(BEARER, ""));
  const key = nonPlaceholder(apiKey);
  if (bearer !== undefined && key !== undefined && bearer !== key) throw ambiguous();
  const credential = bearer ?? key;
  if (credential === undefined) {
    throw unauthorized("missing_api_key", "Send your NanoGPT key as `Authorization: Bearer KEY`.");
  }
  if (bearer !== undefined && !BEARER.test(authorization ?? "")) throw invalid();
  if (JWT.test(credential) && credential.length <= JWT_MAX_LENGTH) return { kind: "token", credential };
  if (!KEY.test(credential) || credential.length > KEY_MAX_LENGTH) throw invalid();
  return { kind: "key", credential };
}

/** Reads the credential of a call that passes through, for the log alone; undefined where none is clear. */
export function credentialForLog(authorization: string | null, apiKey: string | null): string | undefined {
  return nonPlaceholder(authorization?.replace(BEARER, "")) ?? nonPlaceholder(apiKey);
}

/** Says whether a text that is to be shown has what looks like a key, at its begin or anywhere. */
export function looksLikeKey(text: string): boolean {
  return /(?<![a-z\d])sk-/i.test(text);
}

/**
 * Makes the function from credential to fingerprint: SHA-256 keyed by `secret`, 256 bits as hex.
 * The secret's own digest comes first and has a fixed length; a one-shot hash costs a fifth of an HMAC, and its known
 * weakness (lengthening a hashed text) could only name texts that hold a byte no key has.
 */
export function createFingerprinter(secret: string, upstream: string): (credential: string) => Fingerprint {
  const prefix = `${hash("sha256", secret)}\n${upstream}\n`;
  return (credential) => hash("sha256", prefix + credential);
}

function nonPlaceholder(value: string | null | undefined): string | undefined {
  const text = trimmed(value ?? "");
  return PLACEHOLDERS.has(text) ? undefined : text;
}

// Not by a pattern: one for the end of a text begins anew at each space, and a field can be 16 KB of them within.
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

// No key holds a comma, and Headers joins repeated fields with one.
function isRepeated(value: string | null): boolean {
  return value !== null && value.includes(",");
}

function invalid(): ApiError {
  return unauthorized(
    "invalid_api_key",
    "Send your NanoGPT key as it was given to you: `Authorization: Bearer KEY`.",
  );
}

function ambiguous(): ApiError {
  const message = "Send one key, once: either `Authorization: Bearer KEY` or `x-api-key: KEY`.";
  return new ApiError(errorBody(400, "ambiguous_credentials", message));
}
