import { BASIC_FIELDS, type Model } from "./model-list.ts";
import { openRouterModel } from "./openrouter.ts";

/** The shape of each model in a response: `original` is as upstream sent it, basic or detailed. */
export type Shape = "original" | DerivedShape;
export type DerivedShape = "basic" | "openrouter";

const SHAPES: Readonly<Record<DerivedShape, (model: Model) => Model>> = {
  basic: basicModel,
  openrouter: openRouterModel,
};

export function applyShape(model: Model, shape: DerivedShape): Model {
  return SHAPES[shape](model);
}

/** The basic fields of a model; a field that upstream left out is not added. */
export function basicModel(model: Model): Model {
  const basic: Record<string, unknown> & { id: string } = { id: model.id };
  for (const name of BASIC_FIELDS) {
    if (Object.hasOwn(model, name)) basic[name] = model[name];
  }
  return basic;
}
