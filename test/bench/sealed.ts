import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { codecs } from "../../src/node/codecs.ts";
import { encodeOriginal } from "../../src/cache/representation.ts";
import { createSeal } from "../../src/storage/encryption.ts";
import type { Coding, StoredList } from "../../src/storage/store.ts";
import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";

// Cost of sealing: the real catalogue, compressed, sealed and opened as for a remote store, compared with plain AES-256-GCM
// over the same bytes and with a copy of them, in interleaved rounds of one run. Read the ratios; the microseconds depend on
// the machine. Each request that uses a remote store also derives the client's key once (HKDF). Runs on Node only: a
// Worker's clock does not advance while it computes.

const ROUNDS = 400;
const WARM_UP = 100;
const key = { fingerprint: "f".repeat(64), variant: "1 personalized detailed=true" };
const sealer = createSeal("a secret for the bench", "key-for-the-bench");
const bareKey = randomBytes(32);
const text = JSON.stringify({ object: "list", data: bundledCatalogue() });
const catalogue = new Uint8Array(new TextEncoder().encode(text));

console.log("list             bytes   sealed   | median µs: seal   bare   copy | open   bare");
for (const coding of ["gzip", "br", "identity"] as const) await measure(coding);

const derivations = Array.from({ length: ROUNDS + WARM_UP }, (_, index) => {
  const startedAt = performance.now();
  createSeal("a secret for the bench", `key-for-the-bench-${index}`);
  return performance.now() - startedAt;
});
console.log(`key derivation (HKDF): ${micros(derivations)} µs`);

async function measure(coding: Coding): Promise<void> {
  const original = await encodeOriginal(catalogue, coding, codecs);
  const list: StoredList = {
    storedAt: Date.now(),
    isEmpty: false,
    isBasic: false,
    original,
    views: new Map(),
  };
  const { bytes } = original;
  const sealed = sealer.seal(key, list);
  const bare = encryptAesGcm(bytes);
  const operations = {
    seal: () => sealer.seal(key, list),
    bareSeal: () => encryptAesGcm(bytes),
    copy: () => bytes.slice(),
    open: () => sealer.open(key, sealed),
    bareOpen: () => decryptAesGcm(bare),
  };
  if (operations.open()?.original.etag !== original.etag) throw new Error("The sealed list cannot be opened");
  const times: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    for (const [name, run] of Object.entries(operations)) {
      const startedAt = performance.now();
      run();
      (times[name] ??= []).push(performance.now() - startedAt);
    }
  }
  const columns = ["seal", "bareSeal", "copy", "open", "bareOpen"].map((name) => micros(times[name] ?? []));
  const [sealing = "", bareSealing = "", copying = "", opening = "", bareOpening = ""] = columns;
  const sizes = `${String(bytes.length).padStart(9)}   +${sealed.length - bytes.length}`;
  console.log(
    `${coding.padEnd(12)} ${sizes}      |${sealing.padStart(16)}${bareSealing.padStart(7)}${copying.padStart(7)} |${opening.padStart(5)}${bareOpening.padStart(7)}`,
  );
}

interface Ciphertext {
  readonly nonce: Uint8Array;
  readonly bytes: Uint8Array;
  readonly tag: Uint8Array;
}

function encryptAesGcm(plain: Uint8Array): Ciphertext {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", bareKey, nonce);
  const bytes = cipher.update(plain);
  cipher.final();
  return { nonce, bytes, tag: cipher.getAuthTag() };
}

function decryptAesGcm({ nonce, bytes, tag }: Ciphertext): Uint8Array {
  const decipher = createDecipheriv("aes-256-gcm", bareKey, nonce, { authTagLength: 16 });
  decipher.setAuthTag(tag);
  const plain = decipher.update(bytes);
  decipher.final();
  return plain;
}

function micros(milliseconds: readonly number[]): string {
  const sorted = milliseconds.slice(WARM_UP).toSorted((a, b) => a - b);
  return ((sorted[sorted.length >> 1] ?? Number.NaN) * 1000).toFixed(0);
}
