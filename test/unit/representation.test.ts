// A list is rendered once per view and coding, from any stored coding, with one ETag per view.
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codecs } from "../../src/node/codecs.ts";
import { encodeOriginal, negotiateCoding, getRepresentation, type View } from "../../src/cache/representation.ts";
import { sizeInBytes } from "../../src/storage/memory.ts";
import type { Coding, StoredList } from "../../src/storage/store.ts";

const CODINGS = ["br", "zstd", "gzip", "identity"] as const;
const decode: Record<Coding, (bytes: Uint8Array) => Promise<Uint8Array>> = {
  br: promisify(zlib.brotliDecompress),
  gzip: promisify(zlib.gunzip),
  zstd: promisify(zlib.zstdDecompress),
  identity: async (bytes) => bytes,
};
const bytesOf = (text: string) => new TextEncoder().encode(text);
const row = (id: string) => ({ id, object: "model", created: 1, owned_by: "x" });

async function storedListOf(rows: readonly object[], coding: Coding, isBasic = false): Promise<StoredList> {
  const bytes = bytesOf(JSON.stringify({ object: "list", data: rows }));
  const original = await encodeOriginal(bytes, coding, codecs);
  return { storedAt: 0, isEmpty: rows.length === 0, isBasic, original, views: new Map() };
}

describe("the negotiated coding", () => {
  // Few values, so that equal weights are common.
  const q = fc.constantFrom<number[]>(0, 0.001, 0.5, 0.999, 1);
  const weights = fc.tuple(q, q, q, q);

  test("has the highest q-value when all are listed; of equals it is the smallest", () => {
    fc.assert(
      fc.property(weights, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (weights, order) => {
        fc.pre(weights.some((weight) => weight > 0));
        const field = order.map((i) => `${CODINGS[i]};q=${weights[i]}`).join(", ");
        const best = CODINGS[weights.indexOf(Math.max(...weights))];
        expect(negotiateCoding(field, codecs)).toBe(best);
      }),
    );
  });

  test("is never one that q=0 or omission excludes", () => {
    const listed = fc.subarray(["br", "zstd", "gzip"] as const);
    fc.assert(
      fc.property(listed, listed, (wanted, excluded) => {
        const codings = [...wanted, ...excluded.map((coding) => `${coding};q=0`)];
        const allowed = wanted.filter((coding) => !excluded.includes(coding));
        fc.pre(wanted.every((coding) => !excluded.includes(coding)));
        expect([...allowed, "identity"]).toContain(negotiateCoding(codings.join(","), codecs));
        if (allowed.length > 0) expect(negotiateCoding(codings.join(","), codecs)).not.toBe("identity");
      }),
    );
  });

  test("is a supported one for any text, and identity without codecs", () => {
    const tokens = fc.constantFrom("br", "gzip", "*", ";q=", "q", "0", "1", ",", ";", " ", "=", "identity", "x-gzip");
    const text = fc.oneof(
      fc.string(),
      fc.array(tokens).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (field) => {
        expect(CODINGS).toContain(negotiateCoding(field, codecs));
        expect(negotiateCoding(field, new Map())).toBe("identity");
      }),
    );
  });
});

describe("a representation", () => {
  const views: View[] = [
    { shape: "original", id: undefined },
    { shape: "basic", id: undefined },
    { shape: "original", id: "b" },
    { shape: "basic", id: "b" },
    { shape: "openrouter", id: undefined },
    { shape: "openrouter", id: "b" },
  ];

  test("is the same list with the same ETag in every coding, whatever the stored coding", async () => {
    const rows = [
      { ...row("a"), name: "\u00e4" },
      { ...row("b"), pricing: { prompt: 0.5, unit: "per_million_tokens", currency: "USD" } },
    ];
    for (const view of views) {
      const texts = new Set<string>();
      const etags = new Set<string>();
      for (const storedCoding of CODINGS) {
        const list = await storedListOf(rows, storedCoding);
        for (const coding of CODINGS) {
          const result = await getRepresentation(list, view, coding, codecs);
          expect(result?.coding).toBe(coding);
          texts.add(String(Buffer.from(await decode[coding](result?.bytes ?? new Uint8Array()))));
          etags.add(result?.etag ?? "");
        }
      }
      expect([texts.size, etags.size]).toEqual([1, 1]);
      expect([...texts][0]?.includes("pricing")).toBe(view.shape !== "basic");
      expect([...etags][0]).toMatch(/^W\/"[\w-]{27}"$/);
    }
  });

  test("is rendered once: concurrent and later requests share it", async () => {
    const list = await storedListOf([{ ...row("a"), x: 1 }], "gzip");
    for (const view of [...views.slice(0, 2), { shape: "basic", id: "a" } as const]) {
      const [first, second] = await Promise.all([
        getRepresentation(list, view, "br", codecs),
        getRepresentation(list, view, "br", codecs),
      ]);
      expect(second).toBe(first);
      expect(getRepresentation(list, view, "br", codecs)).toBe(first);
    }
    expect(getRepresentation(list, { shape: "original", id: undefined }, "gzip", codecs)).toBe(list.original);
  });

  test("of a list of basic rows in basic shape is the list itself, in openrouter shape is rendered", async () => {
    const list = await storedListOf([row("a"), row("b")], "br", true);
    expect(getRepresentation(list, { shape: "basic", id: undefined }, "br", codecs)).toBe(list.original);
    const result = await getRepresentation(list, { shape: "openrouter", id: undefined }, "identity", codecs);
    const rows = ["a", "b"].map((id) => ({ id, created: 1 }));
    expect(String(Buffer.from(result?.bytes ?? []))).toBe(JSON.stringify({ object: "list", data: rows }));
  });

  test("of a model that is not listed is undefined, and is not stored", async () => {
    const list = await storedListOf([row("a")], "gzip");
    for (const id of ["A", "a ", "", "__proto__", "constructor"]) {
      expect(await getRepresentation(list, { shape: "original", id }, "identity", codecs)).toBeUndefined();
    }
    expect(list.views.size).toBe(0);
  });

  test("is counted in the size of the list", async () => {
    const list = await storedListOf([{ ...row("a"), x: "y".repeat(500) }], "identity");
    const before = sizeInBytes(list);
    expect(before).toBe(list.original.bytes.length);
    const result = await getRepresentation(list, { shape: "basic", id: undefined }, "identity", codecs);
    expect(sizeInBytes(list)).toBeGreaterThanOrEqual(before + (result?.bytes.length ?? 0));
  });

  test("that cannot be decoded is rejected and not stored, so that the next request tries again", async () => {
    const list = await storedListOf([row("a")], "gzip");
    const broken = { ...list, original: { ...list.original, bytes: bytesOf("not gzip") } };
    const view = { shape: "basic", id: undefined } as const;
    await expect(getRepresentation(broken, view, "br", codecs)).rejects.toThrow();
    expect(broken.views.size).toBe(0);
  });

  test("has a buffer of its own size, so that no larger buffer stays in memory", async () => {
    const large = new Uint8Array(10_000).fill(32);
    const { bytes } = await encodeOriginal(large.subarray(10, 20), "identity", codecs);
    expect(bytes.buffer.byteLength).toBe(10);
  });
});
