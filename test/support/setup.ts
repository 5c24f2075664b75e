import { onTestFinished } from "vitest";
import { Agent, request, type Dispatcher } from "undici";
import { startKeylane, type Keylane } from "./keylane.ts";
import { startNanoGpt, type Account, type NanoGpt } from "./nanogpt/nanogpt.ts";

/** Two keys that see different models. */
export const ALICE = "sk-nano-test-alice";
export const BOB = "sk-nano-test-bob";
export const ACCOUNTS: readonly Account[] = [
  { key: ALICE, visible: ["openai/gpt-4-turbo", "NousResearch/Hermes-4-70B:thinking"] },
  { key: BOB, visible: ["NousResearch/hermes-4-70b"] },
];

export interface Scene {
  readonly nano: NanoGpt;
  readonly keylane: Keylane;
  /** Calls Keylane: a path, and what goes with it. */
  readonly call: (path: string, options?: CallOptions) => Promise<Answer>;
  /** Asks for a list (`/v1/models` unless told) with a key. */
  readonly list: (key: string, options?: CallOptions & { path?: string }) => Promise<Answer>;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

/** An answer as it came over the wire: nothing decoded. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  readonly text: string;
  /** Parses the body; for tests, so unchecked. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers freely
  json(): any;
  /** Model ids of a list answer. */
  ids(): string[];
}

/** Starts a stand-in and Keylane before it, and stops both when the test ends. */
export async function scene(
  settings: Record<string, string> = {},
  accounts: readonly Account[] = ACCOUNTS,
): Promise<Scene> {
  const nano = await startNanoGpt({ accounts: [...accounts] });
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  const agent = new Agent();
  onTestFinished(async () => {
    await agent.destroy();
    await keylane.stop();
    await nano.stop();
  });
  const callHere = (path: string, options: CallOptions = {}) => call(agent, keylane.url + path, options);
  return {
    nano,
    keylane,
    call: callHere,
    list: (key, { path = "/v1/models", headers = {}, ...rest } = {}) =>
      callHere(path, { ...rest, headers: { authorization: `Bearer ${key}`, ...headers } }),
  };
}

async function call(
  agent: Dispatcher,
  url: string,
  { method = "GET", headers = {}, body }: CallOptions,
): Promise<Answer> {
  const answer = await request(url, {
    dispatcher: agent,
    method,
    headers,
    body: body ?? null,
  });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  const text = bytes.toString();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: bytes,
    text,
    json: () => JSON.parse(text),
    ids: () => (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id),
  };
}
