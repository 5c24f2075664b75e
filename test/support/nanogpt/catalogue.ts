import { readFileSync } from "node:fs";

/** A row of a basic list. */
export interface BasicModel {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly owned_by: string;
}

/** A row of a detailed list; NanoGPT leaves out or nulls any field beyond the basic four. */
export interface DetailedModel extends BasicModel {
  readonly subscription?: { readonly included?: boolean; readonly note?: string } | null;
  readonly [field: string]: unknown;
}

/** NanoGPT's lists by the path segment before `/v1`; `canonical` has none. */
export type ListName = "canonical" | "personalized" | "subscription" | "paid";

/**
 * Reads the bundled catalogue: 643 models in NanoGPT's own shape.
 *
 * It is taken from the models.dev catalogue (MIT licence) as NanoGPT's staff maintained it in June 2026. Ids, names,
 * limits, modalities, prices and most flags are real; `created` is a release date, and `owned_by` is mostly the
 * part of the id before the slash. Some ids differ only in case.
 */
export function bundledCatalogue(): readonly DetailedModel[] {
  const text = readFileSync(new URL("./catalog-detailed.json", import.meta.url), "utf8");
  const catalogue: { data: DetailedModel[] } = JSON.parse(text);
  return catalogue.data;
}

/** The JSON text of a list, with the rows in the order and shape that the query asks for. */
export function listText(list: ListName, models: readonly DetailedModel[], query: URLSearchParams): string {
  const rows = ordered(
    models.filter((model) => belongsTo(list, model)),
    list === "canonical" ? query.get("sort") : null,
  );
  const detailed = query.get("detailed") === "true";
  return JSON.stringify({ object: "list", data: detailed ? rows : rows.map(basicRow) });
}

/** A model's row in a list without `detailed=true`. */
export function basicRow({ id, object, created, owned_by }: DetailedModel): BasicModel {
  return { id, object, created, owned_by };
}

function belongsTo(list: ListName, model: DetailedModel): boolean {
  if (list === "subscription") return model.subscription?.included === true;
  if (list === "paid") return model.subscription?.included !== true;
  return true;
}

// NanoGPT's real rankings are private; any other stable order will do.
function ordered(models: readonly DetailedModel[], sort: string | null): readonly DetailedModel[] {
  if (sort === "mostused") return models.toSorted((one, other) => other.created - one.created);
  if (sort === "favorites") return models.toSorted((one, other) => included(other) - included(one));
  return models;
}

function included(model: DetailedModel): number {
  return model.subscription?.included === true ? 1 : 0;
}
