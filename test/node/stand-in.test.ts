import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { patternBytes } from "../support/nanogpt/bytes.ts";
import { startNanoGpt, type DetailedModel, type NanoGpt } from "../support/nanogpt/nanogpt.ts";

const ALICE = "key-for-tests-a";
const BOB = "key-for-tests-b";
const ALICES = ["aion-labs/aion-1.0", "aion-labs/aion-2.0"];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

let nanogpt: NanoGpt;
beforeAll(async () => {
  nanogpt = await startNanoGpt({ accounts: [{ key: ALICE, visible: ALICES }, { key: BOB }] });
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

const ask = (path: string, init?: RequestInit) => fetch(`${nanogpt.origin}${path}`, init);
async function rowsOf(path: string, headers: Record<string, string> = {}): Promise<DetailedModel[]> {
  const { data }: { data: DetailedModel[] } = JSON.parse(await (await ask(path, { headers })).text());
  return data;
}
async function idsOf(path: string, headers: Record<string, string> = {}): Promise<string[]> {
  return (await rowsOf(path, headers)).map(({ id }) => id);
}
const openai = () => new OpenAI({ apiKey: BOB, baseURL: `${nanogpt.url}/v1`, maxRetries: 0 });
async function codingFor(accepted: string): Promise<string | null> {
  const response = await ask("/api/v1/models", { headers: { "accept-encoding": accepted } });
  return response.headers.get("content-encoding");
}
async function refusalOf(path: string, init?: RequestInit): Promise<unknown> {
  const response = await ask(path, init);
  const { error }: { error: { code: string } } = JSON.parse(await response.text());
  return [response.status, error.code];
}

describe("the lists", () => {
  test("only the personalized one checks the key", async () => {
    const personalized = "/api/personalized/v1/models";
    expect(await refusalOf(personalized)).toEqual([401, "missing_api_key"]);
    expect(await refusalOf(personalized, { headers: bearer("nobody") })).toEqual([401, "invalid_api_key"]);
    expect(await idsOf(personalized, bearer(ALICE))).toEqual(ALICES);
    expect(await idsOf(personalized, { "x-api-key": ALICE })).toEqual(ALICES);
    expect(await idsOf("/api/v1/models", bearer("nobody"))).toHaveLength(643);
    expect(await idsOf("/api/v1/models", bearer(ALICE))).toEqual(ALICES);
  });

  test("subscription and paid part the catalogue between them", async () => {
    const included = await idsOf("/api/subscription/v1/models/");
    const paid = await idsOf("/api/paid/v1legacy/models");
    expect(included.length).toBeGreaterThan(0);
    expect([...included, ...paid].sort()).toEqual((await idsOf("/api/v1thinking/models")).sort());
  });

  test("rows are basic unless details are asked for, and sort reorders the canonical list", async () => {
    const [basic] = await rowsOf("/api/v1/models");
    expect(Object.keys(basic ?? {})).toEqual(["id", "object", "created", "owned_by"]);
    const [detailed] = await rowsOf("/api/v1/models?detailed=true");
    expect(detailed).toEqual(nanogpt.models[0]);
    const mostUsed = await idsOf("/api/v1/models?sort=mostused");
    expect(mostUsed).not.toEqual(await idsOf("/api/v1/models"));
    expect(mostUsed).toEqual(await idsOf("/api/v1/models?sort=mostused"));
  });

  test("what is shown and hidden, also over HTTP, is what the next list says", async () => {
    nanogpt.setAccount({ key: "short-lived", visible: ALICES });
    nanogpt.hide("short-lived", "aion-labs/aion-1.0");
    const list = "/api/personalized/v1/models";
    expect(await idsOf(list, bearer("short-lived"))).toEqual(["aion-labs/aion-2.0"]);
    const toggle = "/toggle?key=short-lived&model=aion-labs%2Faion-1.0&visible=true";
    expect((await ask(toggle, { method: "POST" })).status).toBe(200);
    expect(await idsOf(list, bearer("short-lived"))).toEqual(ALICES);
    nanogpt.revoke("short-lived");
    expect(await refusalOf(list, { headers: bearer("short-lived") })).toEqual([401, "invalid_api_key"]);
    expect([nanogpt.lists("short-lived").length, nanogpt.seen.length]).toEqual([3, 3]);
  });

  test("a key's origin and daily limit bind it, and a token works once", async () => {
    const list = "/api/personalized/v1/models";
    nanogpt.setAccount({ key: "bound", origins: ["https://app.example"], dailyLimit: 1 });
    expect(await refusalOf(list, { headers: bearer("bound") })).toEqual([403, "api_key_origin_not_allowed"]);
    const fromApp = { headers: { ...bearer("bound"), origin: "https://app.example" } };
    expect((await ask(list, fromApp)).status).toBe(200);
    const limited = await ask(list, fromApp);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(86_400);
    const token = bearer("eyJh.eyJq.c2ln");
    expect((await ask(list, { headers: token })).status).toBe(200);
    expect((await ask(list, { headers: token })).status).toBe(401);
  });

  test("they come compressed when asked", async () => {
    expect(await codingFor("gzip, br")).toBe("gzip");
    expect(await codingFor("br, gzip;q=0")).toBe("br");
    expect(await codingFor("identity")).toBeNull();
  });
});

describe("the calls", () => {
  const said = /^You said “hello” – grüße from the stand-in 🛰️\.$/;
  const messages = [{ role: "user" as const, content: "hello" }];

  test("chat reaches OpenAI's SDK, whole and streamed", async () => {
    const whole = await openai().chat.completions.create({ model: "m", messages });
    expect(whole.choices[0]?.message.content).toMatch(said);
    const stream = await openai().chat.completions.create({ model: "m", messages, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toMatch(said);
    const old = await openai().completions.create({ model: "m", prompt: "hello" });
    expect(old.choices[0]?.text).toMatch(said);
  });

  test("chat reaches the AI SDK, whole and streamed", async () => {
    const provider = createOpenAICompatible({ name: "n", apiKey: BOB, baseURL: `${nanogpt.url}/v1` });
    const whole = await generateText({ model: provider("m"), prompt: "hello" });
    expect(whole.text).toMatch(said);
    const streamed = streamText({ model: provider("m"), prompt: "hello" });
    expect(await streamed.text).toMatch(said);
    expect((await streamed.usage).totalTokens).toBeGreaterThan(0);
  });

  test("messages reach Anthropic's SDK, whole and streamed", async () => {
    const anthropic = new Anthropic({ apiKey: BOB, baseURL: `${nanogpt.url}/v1`, maxRetries: 0 });
    const whole = await anthropic.messages.create({ model: "m", max_tokens: 9, messages });
    expect(whole.content).toMatchObject([{ type: "text", text: expect.stringMatching(said) }]);
    const final = await anthropic.messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage();
    expect(final).toMatchObject({ stop_reason: "end_turn", content: whole.content });
  });

  test("responses reach OpenAI's SDK, whole and streamed", async () => {
    const whole = await openai().responses.create({ model: "m", input: "hello" });
    expect(whole.output_text).toMatch(said);
    const final = await openai().responses.stream({ model: "m", input: "hello" }).finalResponse();
    expect(final.output_text).toMatch(said);
  });

  test("embeddings say the same in both encodings", async () => {
    const input = ["one", "two"];
    const decoded = await openai().embeddings.create({ model: "m", input });
    const plain = await openai().embeddings.create({ model: "m", input, encoding_format: "float" });
    expect(decoded.data.map(({ embedding }) => embedding)).toEqual(plain.data.map(({ embedding }) => embedding));
  });

  test("images and transcriptions answer, images without /api too", async () => {
    const image = await openai().images.generate({ model: "m", prompt: "a lane" });
    expect(image.data?.[0]?.b64_json).toMatch(/^iVBOR/);
    const init = { method: "POST", headers: bearer(BOB), body: '{"model":"m"}' };
    expect((await ask("/v1/images/generations", init)).status).toBe(200);
    const form = new FormData();
    form.append("file", new Blob([patternBytes(3000)]), "a.wav");
    const heard = await ask("/api/v1/audio/transcriptions", { ...init, body: form });
    const { body } = nanogpt.seen.at(-1) ?? { body: Buffer.alloc(0) };
    const sha256 = createHash("sha256").update(body).digest("hex");
    expect(await heard.json()).toMatchObject({ bytes: body.length, sha256 });
  });

  test("a compressed request is understood, and an answer compressed on demand", async () => {
    const body = gzipSync(JSON.stringify({ model: "m", messages, stream: true }));
    const headers = { ...bearer(BOB), "content-encoding": "gzip", "x-standin-gzip": "1" };
    const response = await ask("/api/v1/chat/completions", { method: "POST", headers, body });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.text()).toMatch(/: keep-alive\n\n[^]*data: \[DONE\]\n\n$/);
  });

  test("a call without a key is refused or quoted a price, and an unknown path gets a page", async () => {
    const body = '{"model":"m"}';
    expect(await refusalOf("/api/v1/chat/completions", { method: "POST", body })).toEqual([401, "missing_api_key"]);
    const quote = { method: "POST", body, headers: { "x-x402": "true" } };
    expect((await ask("/api/v1/chat/completions", quote)).status).toBe(402);
    const unknown = await ask("/api/v1/nothing");
    expect([unknown.status, unknown.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
  });

  test("single models answer by an id whose slash stays encoded", async () => {
    const deleted = await ask("/api/v1/models/a%2Fb%3Ac", { method: "DELETE", headers: bearer(BOB) });
    expect(await deleted.json()).toEqual({ id: "a/b:c", object: "model", deleted: true });
    expect((await ask("/api/models/aion-labs%2Faion-1.0/providers")).status).toBe(200);
    expect((await ask("/api/models/aion-labs/aion-1.0/providers")).status).toBe(404);
    expect((await ask("/api/models")).status).toBe(200);
  });
});
