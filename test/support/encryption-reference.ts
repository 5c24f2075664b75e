import type { CacheKey } from "../../src/storage/store.ts";

/** Everything a sealed list is made from; `nonce` and `bytes` are hexadecimal. */
export interface SealInput {
  readonly secret: string;
  readonly credential: string;
  readonly key: CacheKey;
  readonly storedAt: number;
  readonly nonce: string;
  /** The coding's number (identity 0, gzip 1, br 2, zstd 3), 4 more for an empty list, 8 more for a basic one. */
  readonly flags: number;
  readonly validator: string;
  readonly bytes: string;
}

/** Seals a list with WebCrypto alone, by the documented format. Gives hexadecimal digits. */
export async function sealReference(input: SealInput, format = 1): Promise<string> {
  const head = headOf(format, input.storedAt, input.nonce);
  const plain = Buffer.concat([Buffer.of(input.flags), Buffer.from(input.validator), hex(input.bytes)]);
  const sealed = await crypto.subtle.encrypt(parameters(head, input.key), await keyOf(input), plain);
  return Buffer.concat([head, Buffer.from(sealed)]).toString("hex");
}

/** Opens a sealed list with WebCrypto: gives flags, validator and coded bytes. Throws if it does not open. */
export async function openReference(
  input: Pick<SealInput, "secret" | "credential" | "key">,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Buffer> {
  const head = Buffer.from(sealed.subarray(0, 19));
  const key = await keyOf(input);
  return Buffer.from(await crypto.subtle.decrypt(parameters(head, input.key), key, sealed.subarray(19)));
}

function headOf(format: number, storedAt: number, nonce: string): Buffer<ArrayBuffer> {
  return hex(`0${format}${storedAt.toString(16).padStart(12, "0")}${nonce}`);
}

function parameters(head: Buffer<ArrayBuffer>, { fingerprint, variant }: CacheKey) {
  const additionalData = Buffer.concat([head, Buffer.from(`${fingerprint}\n${variant}`)]);
  return { name: "AES-GCM", iv: head.subarray(7), additionalData, tagLength: 128 };
}

async function keyOf({ secret, credential }: Pick<SealInput, "secret" | "credential">) {
  const material = Buffer.from(`${secret.length} ${secret}${credential}`);
  const baseKey = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveKey"]);
  const derivation = {
    name: "HKDF",
    hash: "SHA-256",
    salt: Buffer.from("keylane"),
    info: Buffer.from("sealed list 1"),
  };
  return crypto.subtle.deriveKey(derivation, baseKey, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

function hex(digits: string): Buffer<ArrayBuffer> {
  return Buffer.from(digits, "hex");
}
