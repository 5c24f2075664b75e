import { caller } from "./callers.ts";
import type { Plan } from "./operations.ts";

/** What upstream was asked, and what it made of it. Numbers are positions in the trace, but for `arrivedAtMs`. */
export interface UpstreamRecord {
  readonly serial: number;
  readonly caller: number;
  readonly question: RecordedQuery;
  /** The client's models change with it. */
  readonly version: number;
  readonly plan: Plan;
  /** What upstream answers, or would: 200 with a good list, an empty one, a broken one, or an error. */
  readonly outcome: "good" | "empty" | "broken" | number;
  readonly arrived: number;
  readonly arrivedAtMs: number;
  /** Undefined before the answer begins. */
  answered: number | undefined;
}

/** Two questions of one client share a stored list where all three are the same. */
export interface RecordedQuery {
  readonly list: string;
  readonly query: string;
  readonly origin: string | undefined;
}

export type Shape = "original" | "basic" | "openrouter";

export interface Row {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
  readonly description?: string;
}

/** Writes a question so that equal ones look equal. */
export function serializeRecord({ list, query, origin }: RecordedQuery): string {
  return `${list}?${query} of ${origin ?? "no origin"}`;
}

/** The id of a model that a client's good lists always have. */
export const lastingId = (caller: number): string => `${name(caller)}/lasting`;
/** The id of a model that a client has in one version alone. */
export const passingId = (caller: number, version: number): string => `${name(caller)}/passing:v${version}`;

/** Rows that identify the client, the query and the upstream response that they come from. */
export function rowsOf({ serial, caller, question, version, outcome }: UpstreamRecord): readonly Row[] {
  if (outcome === "empty") return [];
  const ids = [lastingId(caller), passingId(caller, version), `${name(caller)}/last`];
  // Upstream tells some clients more than the basic fields, asked or not: their basic lists have to be made.
  const isDetailed = question.query.includes("detailed=true") || caller % 2 === 1;
  const owned_by = `${name(caller)} ${serializeRecord(question)}`;
  const detail = isDetailed ? { description: `detail ${serial} of ${name(caller)}` } : {};
  return ids.map((id) => Object.assign(basic({ id, object: "model", created: serial, owned_by }), detail));
}

/** The body of a good answer. */
export function listText(record: UpstreamRecord): string {
  return JSON.stringify({ object: "list", recorder: record.serial, data: rowsOf(record) });
}

/** What a client must be given of a good answer: all of it or one model, as it came or in another shape. */
export function viewText(record: UpstreamRecord, shape: Shape, id?: string): string | undefined {
  const rows = rowsOf(record);
  if (id !== undefined) {
    const row = rows.find((one) => one.id === id);
    return row && JSON.stringify(SHAPED[shape](row));
  }
  const isBasic = rows.every((row) => row.description === undefined);
  if (shape === "original" || rows.length === 0 || (shape === "basic" && isBasic)) return listText(record);
  return JSON.stringify({ object: "list", data: rows.map(SHAPED[shape]) });
}

/** Reads which answer of upstream's a body holds: a list, a model or an error. */
export function serialIn(text: string): number | undefined {
  const found = /"recorder":(\d+)|"created":(\d+)|record (\d+)/.exec(text);
  return found === null ? undefined : Number(found[1] ?? found[2] ?? found[3]);
}

/** The body of an error: it names its answer, and quotes the credential as some upstreams do. */
export function errorText({ serial, caller: index }: UpstreamRecord): string {
  const message = `record ${serial} refuses ${name(index)} with ${caller(index).credential}`;
  return JSON.stringify({ error: { message, type: "refused", param: null, code: "refused" } });
}

const SHAPED: Record<Shape, (row: Row) => object> = {
  original: (row) => row,
  basic,
  // Of what OpenRouter has, these rows know no more.
  openrouter: ({ id, created, description }) => ({ id, created, description }),
};

function basic({ id, object, created, owned_by }: Row): Row {
  return { id, object, created, owned_by };
}

function name(index: number): string {
  return caller(index).name;
}
