import { codecs } from "../../src/node/codecs.ts";
import { encodeOriginal } from "../../src/cache/representation.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import { bundledCatalogue } from "../support/nanogpt/catalogue.ts";

// Memory that a stored list takes beside its compressed bytes, and how accurate the store's own accounting is:
// `node --expose-gc test/bench/memory.ts`.

const LISTS = 2000;
const text = new TextEncoder().encode(JSON.stringify({ object: "list", data: bundledCatalogue() }));
const store = createMemoryStore(2 ** 30);

const before = await usedBytes();
let compressed = 0;
for (let i = 0; i < LISTS; i++) {
  const original = await encodeOriginal(text, "gzip", codecs);
  compressed += original.bytes.length;
  const key = { fingerprint: i.toString(16).padStart(64, "0"), variant: "1 personalized detailed=true" };
  store.put(key, { storedAt: Date.now(), isEmpty: false, isBasic: false, original, views: new Map() });
}
const used = (await usedBytes()) - before;
const perList = (bytes: number) => `${Math.round(bytes / LISTS)} bytes`;
console.log(`${LISTS} lists of ${perList(compressed)} compressed each`);
console.log(`used by each: ${perList(used)}, accounted: ${perList(store.size().bytes)}`);
console.log(`beside the compressed bytes: ${perList(used - compressed)} (bound: 20 % and 2048 bytes)`);

async function usedBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
