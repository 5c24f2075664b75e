import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { codecs } from "../../src/node/codecs.ts";
import { encodeOriginal } from "../../src/cache/representation.ts";
import { createSeal } from "../../src/storage/encryption.ts";
import type { Coding, StoredList } from "../../src/storage/store.ts";
import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";

// What a seal costs: the real catalogue, compressed, sealed and opened as for a far store, against bare AES-256-GCM over
// the same bytes and a mere copy of them, in interleaved rounds of one run. Read the ratios; the microseconds are the
// machine's. The first use of a client's seal derives its key besides (HKDF), once for each request that asks a far
// store. It runs on Node alone: the clock of a Worker stands still while it computes.

const ROUNDS = 400;
const WARM_UP = 100;
const key = { fingerprint: "f".repeat(64), variant: "1 personalized detailed=true" };
const own = createSeal("a secret for the bench", "key-for-the-bench");
const bareKey = randomBytes(32);
const text = JSON.stringify({ object: "list", data: bundledCatalogue() });
const catalogue = new Uint8Array(new TextEncoder().encode(text));

console.log("list             bytes   sealed   | median µs: seal   bare   copy | open   bare");
for (const coding of ["gzip", "br", "identity"] as const) await measure(coding);

const derivations = Array.from({ length: ROUNDS + WARM_UP }, (_, turn) => {
  const begun = performance.now();
  createSeal("a secret for the bench", `key-for-the-bench-${turn}`);
  return performance.now() - begun;
});
console.log(`a caller's key (HKDF): ${micros(derivations)} µs`);

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
  const sealed = own.seal(key, list);
  const bare = barelySealed(bytes);
  const works = {
    seal: () => own.seal(key, list),
    bareSeal: () => barelySealed(bytes),
    copy: () => bytes.slice(),
    open: () => own.open(key, sealed),
    bareOpen: () => barelyOpened(bare),
  };
  if (works.open()?.original.etag !== original.etag) throw new Error("The seal does not open");
  const times: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    for (const [name, work] of Object.entries(works)) {
      const begun = performance.now();
      work();
      (times[name] ??= []).push(performance.now() - begun);
    }
  }
  const received = ["seal", "bareSeal", "copy", "open", "bareOpen"].map((name) => micros(times[name] ?? []));
  const [sealing = "", bareSealing = "", copying = "", opening = "", bareOpening = ""] = received;
  const sizes = `${String(bytes.length).padStart(9)}   +${sealed.length - bytes.length}`;
  console.log(
    `${coding.padEnd(12)} ${sizes}      |${sealing.padStart(16)}${bareSealing.padStart(7)}${copying.padStart(7)} |${opening.padStart(5)}${bareOpening.padStart(7)}`,
  );
}

interface Barely {
  readonly nonce: Uint8Array;
  readonly bytes: Uint8Array;
  readonly tag: Uint8Array;
}

function barelySealed(plain: Uint8Array): Barely {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", bareKey, nonce);
  const bytes = cipher.update(plain);
  cipher.final();
  return { nonce, bytes, tag: cipher.getAuthTag() };
}

function barelyOpened({ nonce, bytes, tag }: Barely): Uint8Array {
  const decipher = createDecipheriv("aes-256-gcm", bareKey, nonce, { authTagLength: 16 });
  decipher.setAuthTag(tag);
  const plain = decipher.update(bytes);
  decipher.final();
  return plain;
}

function micros(milliseconds: readonly number[]): string {
  const counted = milliseconds.slice(WARM_UP).toSorted((a, b) => a - b);
  return ((counted[counted.length >> 1] ?? Number.NaN) * 1000).toFixed(0);
}
