import { ALICE, setup, type Answer, type Setup } from "./setup.ts";

/** Alice's list when it was stored, and the one that upstream has for her since. */
export const OLD: readonly string[] = ["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"];
export const NEW: readonly string[] = ["NousResearch/Hermes-4-70B:thinking"];

/** Starts a scene in which Alice's list was stored so long ago, and upstream has taken a model from her since. */
export async function staleSetup(ageMs: number, settings: Record<string, string> = {}): Promise<Setup> {
  const all = await setup(settings);
  await all.list(ALICE);
  all.nano.hide(ALICE, "openai/gpt-4-turbo");
  await all.keylane.advance(ageMs);
  return all;
}

/** Looks for what Keylane holds for a key, without causing a question to upstream: its ids, or undefined. */
export async function storedList(
  { list }: Setup,
  key: string,
  options: { path?: string; headers?: Record<string, string> } = {},
): Promise<string[] | undefined> {
  const headers = { ...options.headers, "cache-control": "only-if-cached" };
  const answer = await list(key, { ...options, headers });
  return answer.status === 200 ? answer.ids() : undefined;
}

/** Gives status and code of an error in OpenAI's envelope. */
export function errorOf(answer: Answer): { status: number; code: unknown } {
  return { status: answer.status, code: answer.json().error?.code };
}

/** Time for things that happen in the background. */
export const POLL = { timeout: 5000, interval: 20 } as const;
