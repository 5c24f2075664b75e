import type { Model } from "./catalog.ts";

const BASIC_FIELDS = ["id", "object", "created", "owned_by"];

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
