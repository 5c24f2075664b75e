import { clientAt } from "./clients.ts";
import type { Plan } from "./operations.ts";

/** A list request that upstream received, and its answer. Numbers are positions in the trace, except `arrivedAtMs`. */
export interface FetchRecord {
  readonly serial: number;
  readonly client: number;
  readonly query: ListQuery;
  /** The version of the client's models. */
  readonly version: number;
  readonly plan: Plan;
  /** The answer, sent or not: a good, empty or broken list with status 200, or an error status. */
  readonly outcome: "good" | "empty" | "broken" | number;
  readonly arrived: number;
  readonly arrivedAtMs: number;
  /** Undefined before the answer begins. */
  answered: number | undefined;
}

/** Requests of one client share a stored list if all three are equal. */
export interface ListQuery {
  readonly list: string;
  readonly parameters: string;
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

/** The same text for equal queries. */
export function queryKey({ list, parameters, origin }: ListQuery): string {
  return `${list}?${parameters} of ${origin ?? "no origin"}`;
}

/** The id of a model in all good lists of a client. */
export const permanentId = (client: number): string => `${name(client)}/permanent`;
/** The id of a model in only one version of a client's models. */
export const versionedId = (client: number, version: number): string => `${name(client)}/versioned:v${version}`;

/** Rows that identify the client, the query and the fetch. */
export function rowsOf({ serial, client, query, version, outcome }: FetchRecord): readonly Row[] {
  if (outcome === "empty") return [];
  const ids = [permanentId(client), versionedId(client, version), `${name(client)}/last`];
  // Some clients always get detailed rows, so that Keylane has to make their basic lists.
  const isDetailed = query.parameters.includes("detailed=true") || client % 2 === 1;
  const owned_by = `${name(client)} ${queryKey(query)}`;
  const detail = isDetailed ? { description: `detail ${serial} of ${name(client)}` } : {};
  return ids.map((id) => Object.assign(basic({ id, object: "model", created: serial, owned_by }), detail));
}

/** The body of a good answer. */
export function listText(record: FetchRecord): string {
  return JSON.stringify({ object: "list", record: record.serial, data: rowsOf(record) });
}

/** The body that a client must get of a good answer: the whole list or one model, in a shape. */
export function viewText(record: FetchRecord, shape: Shape, id?: string): string | undefined {
  const rows = rowsOf(record);
  if (id !== undefined) {
    const row = rows.find((one) => one.id === id);
    return row && JSON.stringify(SHAPED[shape](row));
  }
  const isBasic = rows.every((row) => row.description === undefined);
  if (shape === "original" || rows.length === 0 || (shape === "basic" && isBasic)) return listText(record);
  return JSON.stringify({ object: "list", data: rows.map(SHAPED[shape]) });
}

/** The serial of the fetch that a list, a model or an error comes from. */
export function serialIn(text: string): number | undefined {
  const found = /"record":(\d+)|"created":(\d+)|record (\d+)/.exec(text);
  return found === null ? undefined : Number(found[1] ?? found[2] ?? found[3]);
}

/** The body of an error: it identifies its fetch, and quotes the credential as some upstreams do. */
export function errorText({ serial, client }: FetchRecord): string {
  const message = `record ${serial} rejects ${name(client)} with ${clientAt(client).credential}`;
  return JSON.stringify({ error: { message, type: "rejected", param: null, code: "rejected" } });
}

const SHAPED: Record<Shape, (row: Row) => object> = {
  original: (row) => row,
  basic,
  // These rows have no other fields of OpenRouter's shape.
  openrouter: ({ id, created, description }) => ({ id, created, description }),
};

function basic({ id, object, created, owned_by }: Row): Row {
  return { id, object, created, owned_by };
}

function name(client: number): string {
  return clientAt(client).name;
}
