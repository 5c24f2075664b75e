import type { CooperativeTask } from "../async/cooperative.ts";

const MAX_ROWS = 250_000;
// Less than a millisecond of looking, before it is compiled, too.
const CHUNK_BYTES = 32 * 1024;

/** Where a row stands in the bytes of a list: from `start` up to, not including, `end`. */
export interface Row {
  readonly start: number;
  readonly end: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Finds the rows of `{"data":[…]}` in the bytes of a JSON text, so that a row can be given on as it came, every digit of
 * its numbers kept. Says what is wrong with JSON nested deeper than `maxDepth` or of more than 250,000 rows: on the bytes
 * and before parsing, since JSON.parse would build it all, and then memory or whatever walks it would suffer. Checks
 * nothing else. Rests after each 32 KB and the string that they end in, so that others can go between.
 */
export function* findRows(
  bytes: Uint8Array,
  maxDepth: number,
): CooperativeTask<readonly Row[] | "nested too deep" | "too many rows"> {
  let rows: Row[] = [];
  let depth = 0;
  let isInData = false;
  let name = { start: 0, end: 0 };
  let start = 0;
  let rest = CHUNK_BYTES;
  for (let i = 0; i < bytes.length; i++) {
    if (i >= rest) {
      yield;
      rest = i + CHUNK_BYTES;
    }
    const byte = bytes[i];
    if (byte === QUOTE) {
      const end = endOfString(bytes, i);
      if (depth === 1) name = { start: i, end };
      i = end - 1;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) return "nested too deep";
      if (depth !== 2 || byte !== OPEN_ARRAY || !isDataKey(bytes, name)) continue;
      // Of two fields of one name JSON.parse takes the last.
      isInData = true;
      rows = [];
      start = i + 1;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      if (isInData && depth === 2) {
        push(rows, bytes, start, i);
        isInData = false;
      }
      depth--;
    } else if (byte === COMMA && isInData && depth === 2) {
      push(rows, bytes, start, i);
      if (rows.length > MAX_ROWS) return "too many rows";
      start = i + 1;
    } else if (byte === COLON && depth === 1 && isDataKey(bytes, name)) rows = [];
  }
  return rows;
}

// The index behind the closing quote.
function endOfString(bytes: Uint8Array, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i + 1;
  }
  return bytes.length;
}

// Never the whole of a long name, nor with an exception for a broken one: a body can be made of nothing but names.
function isDataKey(bytes: Uint8Array, { start, end }: Row): boolean {
  return end - start <= LONGEST_DATA && DATA.test(latin1.decode(bytes.subarray(start, end)));
}

// However JSON can write "data".
const DATA = /^"(?:d|\\u0064)(?:a|\\u0061)(?:t|\\u0074)(?:a|\\u0061)"$/;
const LONGEST_DATA = '"\\u0064\\u0061\\u0074\\u0061"'.length;
const latin1 = new TextDecoder("latin1");

// An empty array has no row, and white space around a row is not part of it.
function push(rows: Row[], bytes: Uint8Array, start: number, end: number): void {
  let from = start;
  let to = end;
  while (from < to && isSpace(bytes[from])) from++;
  while (to > from && isSpace(bytes[to - 1])) to--;
  if (from < to) rows.push({ start: from, end: to });
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
