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

export interface Setup {
  readonly nano: NanoGpt;
  readonly keylane: Keylane;
  /** Sends a request to Keylane. */
  readonly call: (path: string, options?: CallOptions) => Promise<Answer>;
  /** Requests a list (`/v1/models` by default) with a key. */
  readonly list: (key: string, options?: CallOptions & { path?: string }) => Promise<Answer>;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

/** A response as received: the body is not decoded. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read any field of a response without checks
  json(): any;
  /** Model ids of a list response. */
  ids(): string[];
}

/** Starts a NanoGPT stand-in and a Keylane in front of it, and stops both when the test ends. */
export async function setup(
  settings: Record<string, string> = {},
  accounts: readonly Account[] = ACCOUNTS,
): Promise<Setup> {
  const nano = await startNanoGpt({ accounts: [...accounts] });
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  const agent = new Agent();
  onTestFinished(async () => {
    await agent.destroy();
    await keylane.stop();
    await nano.stop();
  });
  const call = (path: string, options: CallOptions = {}) => send(agent, keylane.url + path, options);
  return {
    nano,
    keylane,
    call,
    list: (key, { path = "/v1/models", headers = {}, ...rest } = {}) =>
      call(path, { ...rest, headers: { authorization: `Bearer ${key}`, ...headers } }),
  };
}

/** Sends a request through `dispatcher` and reads the whole response. */
export async function send(
  dispatcher: Dispatcher,
  url: string,
  { method = "GET", headers = {}, body }: CallOptions,
): Promise<Answer> {
  const answer = await request(url, { dispatcher, method, headers, body: body ?? null });
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
