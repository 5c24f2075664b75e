import { hash } from "node:crypto";
import { ApiError, apiError, unauthorized } from "./errors.ts";

/** A client's credential. A `token` is a signed, short-lived JWT, which is valid for one call. */
export interface ParsedCredential {
  readonly kind: "key" | "token";
  readonly credential: string;
}

/** A keyed hash of upstream and credential: opaque, and not computable without the secret. */
export type Fingerprint = string;

// NanoGPT's keys are `sk-nano-` and a UUID, or a bare UUID; the pattern allows RFC 6750's b64token, and a colon.
const KEY = /^[\w.~+/:=-]+$/;
const KEY_MAX_LENGTH = 512;
// The scheme is case-insensitive (RFC 9110 §11.1). Only HTTP's white space separates: a pasted no-break space is part of
// neither scheme nor key.
const BEARER = /^bearer(?:[ \t]+|$)/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const JWT_MAX_LENGTH = 8192;
// Tools send these when their user has entered no key.
const PLACEHOLDERS = new Set(["", "undefined", "null"]);

/**
 * Parses the two credential headers (`null` when absent, repeated ones joined by a comma, as Headers gives them).
 * Throws 401 when there is no usable key, and 400 when there are two.
 */
export function parseCredential(authorization: string | null, apiKey: string | null): ParsedCredential {
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

/** The credential of a passthrough call, for the log's client name alone; undefined where there is none. */
export function credentialForLog(authorization: string | null, apiKey: string | null): string | undefined {
  return nonPlaceholder(authorization?.replace(BEARER, "")) ?? nonPlaceholder(apiKey);
}

/** Whether a text seems to contain a key, so that it must not be shown. */
export function looksLikeKey(text: string): boolean {
  return /(?<![a-z\d])sk-/i.test(text);
}

/**
 * Makes the function from credential to fingerprint: SHA-256 keyed by `secret`, as 64 hex digits.
 * The digest of the secret comes first and has a fixed length. A one-shot hash takes a fifth of an HMAC's time; its known
 * weakness, length extension, could only produce texts with a byte that no key has.
 */
export function createFingerprinter(secret: string, upstream: string): (credential: string) => Fingerprint {
  const prefix = `${hash("sha256", secret)}\n${upstream}\n`;
  return (credential) => hash("sha256", prefix + credential);
}

function nonPlaceholder(value: string | null | undefined): string | undefined {
  const text = trimmed(value ?? "");
  return PLACEHOLDERS.has(text) ? undefined : text;
}

// Not a regular expression: one anchored at the end restarts at each space, and a header can be 16 KB of them.
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

// No key contains a comma, and Headers joins repeated lines with one.
function isRepeated(value: string | null): boolean {
  return value !== null && value.includes(",");
}

function invalid(): ApiError {
  return unauthorized("invalid_api_key", "Send your NanoGPT key as it was given to you: `Authorization: Bearer KEY`.");
}

function ambiguous(): ApiError {
  const message = "Send one key, once: either `Authorization: Bearer KEY` or `x-api-key: KEY`.";
  return apiError(400, "ambiguous_credentials", message);
}
