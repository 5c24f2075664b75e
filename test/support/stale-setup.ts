import { ALICE, setup, type Answer, type Setup } from "./setup.ts";

/** Alice's list when it was stored, and upstream's list for her now. */
export const OLD: readonly string[] = ["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"];
export const NEW: readonly string[] = ["NousResearch/Hermes-4-70B:thinking"];

/** Sets up a Keylane whose stored list of Alice is `ageMs` old and has a model that she no longer sees upstream. */
export async function staleSetup(ageMs: number, settings: Record<string, string> = {}): Promise<Setup> {
  const all = await setup(settings);
  await all.list(ALICE);
  all.nano.hide(ALICE, "openai/gpt-4-turbo");
  await all.keylane.advance(ageMs);
  return all;
}

/** Gives the ids of a stored list without causing an upstream fetch; undefined if none is stored. */
export async function storedList(
  { list }: Setup,
  key: string,
  options: { path?: string; headers?: Record<string, string> } = {},
): Promise<string[] | undefined> {
  const headers = { ...options.headers, "cache-control": "only-if-cached" };
  const answer = await list(key, { ...options, headers });
  return answer.status === 200 ? answer.ids() : undefined;
}

/** The status and code of an error response. */
export function errorOf(answer: Answer): { status: number; code: unknown } {
  return { status: answer.status, code: answer.json().error?.code };
}

/** Poll options for work in the background. */
export const POLL = { timeout: 5000, interval: 20 } as const;
