import type { Model } from "./model-list.ts";
import { openRouterModel } from "./openrouter.ts";

/** What a model is given back as: `original` is as it came, basic or detailed. */
export type Shape = "original" | DerivedShape;
export type DerivedShape = "basic" | "openrouter";

const BASIC_FIELDS = ["id", "object", "created", "owned_by"];

/** Makes a model of another shape. */
export function applyShape(model: Model, shape: DerivedShape): Model {
  return shape === "basic" ? basicModel(model) : openRouterModel(model);
}

/** OpenAI's four fields of a model; those that upstream did not give stay away. */
export function basicModel(model: Model): Model {
  const basic: Record<string, unknown> & { id: string } = { id: model.id };
  for (const name of BASIC_FIELDS) {
    if (Object.hasOwn(model, name)) basic[name] = model[name];
  }
  return basic;
}

export function isBasicModel(model: Model): boolean {
  return Object.keys(model).every((name) => BASIC_FIELDS.includes(name));
}
