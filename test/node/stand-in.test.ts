// The stand-in answers as NanoGPT does: lists, keys, limits and the calls of every SDK.
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
const ALICE_MODELS = ["aion-labs/aion-1.0", "aion-labs/aion-2.0"];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

let nanogpt: NanoGpt;
beforeAll(async () => {
  nanogpt = await startNanoGpt({ accounts: [{ key: ALICE, visible: ALICE_MODELS }, { key: BOB }] });
});
afterAll(() => nanogpt.stop());
beforeEach(() => nanogpt.reset());

const request = (path: string, init?: RequestInit) => fetch(`${nanogpt.origin}${path}`, init);
async function rowsOf(path: string, headers: Record<string, string> = {}): Promise<DetailedModel[]> {
  const { data }: { data: DetailedModel[] } = JSON.parse(await (await request(path, { headers })).text());
  return data;
}
async function idsOf(path: string, headers: Record<string, string> = {}): Promise<string[]> {
  return (await rowsOf(path, headers)).map(({ id }) => id);
}
const openai = () => new OpenAI({ apiKey: BOB, baseURL: `${nanogpt.url}/v1`, maxRetries: 0 });
async function codingFor(accepted: string): Promise<string | null> {
  const response = await request("/api/v1/models", { headers: { "accept-encoding": accepted } });
  return response.headers.get("content-encoding");
}
async function errorOf(path: string, init?: RequestInit): Promise<unknown> {
  const response = await request(path, init);
  const { error }: { error: { code: string } } = JSON.parse(await response.text());
  return [response.status, error.code];
}

describe("the lists", () => {
  test("only the personalized one checks the key", async () => {
    const personalized = "/api/personalized/v1/models";
    expect(await errorOf(personalized)).toEqual([401, "missing_api_key"]);
    expect(await errorOf(personalized, { headers: bearer("unknown-key") })).toEqual([401, "invalid_api_key"]);
    expect(await idsOf(personalized, bearer(ALICE))).toEqual(ALICE_MODELS);
    expect(await idsOf(personalized, { "x-api-key": ALICE })).toEqual(ALICE_MODELS);
    expect(await idsOf("/api/v1/models", bearer("unknown-key"))).toHaveLength(643);
    expect(await idsOf("/api/v1/models", bearer(ALICE))).toEqual(ALICE_MODELS);
  });

  test("subscription and paid together are the whole catalogue", async () => {
    const included = await idsOf("/api/subscription/v1/models/");
    const paid = await idsOf("/api/paid/v1legacy/models");
    expect(included.length).toBeGreaterThan(0);
    expect([...included, ...paid].sort()).toEqual((await idsOf("/api/v1thinking/models")).sort());
  });

  test("rows are basic unless detailed is requested, and sort reorders the canonical list", async () => {
    const [basic] = await rowsOf("/api/v1/models");
    expect(Object.keys(basic ?? {})).toEqual(["id", "object", "created", "owned_by"]);
    const [detailed] = await rowsOf("/api/v1/models?detailed=true");
    expect(detailed).toEqual(nanogpt.models[0]);
    const mostUsed = await idsOf("/api/v1/models?sort=mostused");
    expect(mostUsed).not.toEqual(await idsOf("/api/v1/models"));
    expect(mostUsed).toEqual(await idsOf("/api/v1/models?sort=mostused"));
  });

  test("the next list reflects a model that was shown or hidden, also over HTTP", async () => {
    nanogpt.setAccount({ key: "short-lived", visible: ALICE_MODELS });
    nanogpt.hide("short-lived", "aion-labs/aion-1.0");
    const list = "/api/personalized/v1/models";
    expect(await idsOf(list, bearer("short-lived"))).toEqual(["aion-labs/aion-2.0"]);
    const toggle = "/toggle?key=short-lived&model=aion-labs%2Faion-1.0&visible=true";
    expect((await request(toggle, { method: "POST" })).status).toBe(200);
    expect(await idsOf(list, bearer("short-lived"))).toEqual(ALICE_MODELS);
    nanogpt.revoke("short-lived");
    expect(await errorOf(list, { headers: bearer("short-lived") })).toEqual([401, "invalid_api_key"]);
    expect([nanogpt.lists("short-lived").length, nanogpt.seen.length]).toEqual([3, 3]);
  });

  test("a key is limited to its origins and daily limit, and a token works once", async () => {
    const list = "/api/personalized/v1/models";
    nanogpt.setAccount({ key: "bound", origins: ["https://app.example"], dailyLimit: 1 });
    expect(await errorOf(list, { headers: bearer("bound") })).toEqual([403, "api_key_origin_not_allowed"]);
    const fromApp = { headers: { ...bearer("bound"), origin: "https://app.example" } };
    expect((await request(list, fromApp)).status).toBe(200);
    const limited = await request(list, fromApp);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(86_400);
    const token = bearer("eyJh.eyJq.c2ln");
    expect((await request(list, { headers: token })).status).toBe(200);
    expect((await request(list, { headers: token })).status).toBe(401);
  });

  test("are compressed on request", async () => {
    expect(await codingFor("gzip, br")).toBe("gzip");
    expect(await codingFor("br, gzip;q=0")).toBe("br");
    expect(await codingFor("identity")).toBeNull();
  });
});

describe("the calls", () => {
  const reply = /^You said “hello” – grüße from the stand-in 🛰️\.$/;
  const messages = [{ role: "user" as const, content: "hello" }];

  test("chat reaches OpenAI's SDK, whole and streamed", async () => {
    const whole = await openai().chat.completions.create({ model: "m", messages });
    expect(whole.choices[0]?.message.content).toMatch(reply);
    const stream = await openai().chat.completions.create({ model: "m", messages, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toMatch(reply);
    const old = await openai().completions.create({ model: "m", prompt: "hello" });
    expect(old.choices[0]?.text).toMatch(reply);
  });

  test("chat reaches the AI SDK, whole and streamed", async () => {
    const provider = createOpenAICompatible({ name: "n", apiKey: BOB, baseURL: `${nanogpt.url}/v1` });
    const whole = await generateText({ model: provider("m"), prompt: "hello" });
    expect(whole.text).toMatch(reply);
    const streamed = streamText({ model: provider("m"), prompt: "hello" });
    expect(await streamed.text).toMatch(reply);
    expect((await streamed.usage).totalTokens).toBeGreaterThan(0);
  });

  test("messages reach Anthropic's SDK, whole and streamed", async () => {
    const anthropic = new Anthropic({ apiKey: BOB, baseURL: `${nanogpt.url}/v1`, maxRetries: 0 });
    const whole = await anthropic.messages.create({ model: "m", max_tokens: 9, messages });
    expect(whole.content).toMatchObject([{ type: "text", text: expect.stringMatching(reply) }]);
    const final = await anthropic.messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage();
    expect(final).toMatchObject({ stop_reason: "end_turn", content: whole.content });
  });

  test("responses reach OpenAI's SDK, whole and streamed", async () => {
    const whole = await openai().responses.create({ model: "m", input: "hello" });
    expect(whole.output_text).toMatch(reply);
    const final = await openai().responses.stream({ model: "m", input: "hello" }).finalResponse();
    expect(final.output_text).toMatch(reply);
  });

  test("embeddings are equal in both encodings", async () => {
    const input = ["one", "two"];
    const decoded = await openai().embeddings.create({ model: "m", input });
    const plain = await openai().embeddings.create({ model: "m", input, encoding_format: "float" });
    expect(decoded.data.map(({ embedding }) => embedding)).toEqual(plain.data.map(({ embedding }) => embedding));
  });

  test("images and transcriptions answer, images also without /api", async () => {
    const image = await openai().images.generate({ model: "m", prompt: "a lane" });
    expect(image.data?.[0]?.b64_json).toMatch(/^iVBOR/);
    const init = { method: "POST", headers: bearer(BOB), body: '{"model":"m"}' };
    expect((await request("/v1/images/generations", init)).status).toBe(200);
    const form = new FormData();
    form.append("file", new Blob([patternBytes(3000)]), "a.wav");
    const transcription = await request("/api/v1/audio/transcriptions", { ...init, body: form });
    const { body } = nanogpt.seen.at(-1) ?? { body: Buffer.alloc(0) };
    const sha256 = createHash("sha256").update(body).digest("hex");
    expect(await transcription.json()).toMatchObject({ bytes: body.length, sha256 });
  });

  test("a compressed request is decoded, and an answer is compressed on request", async () => {
    const body = gzipSync(JSON.stringify({ model: "m", messages, stream: true }));
    const headers = { ...bearer(BOB), "content-encoding": "gzip", "x-standin-gzip": "1" };
    const response = await request("/api/v1/chat/completions", { method: "POST", headers, body });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.text()).toMatch(/: keep-alive\n\n[^]*data: \[DONE\]\n\n$/);
  });

  test("a call without a key gets 401 or a price, and an unknown path an HTML page", async () => {
    const body = '{"model":"m"}';
    expect(await errorOf("/api/v1/chat/completions", { method: "POST", body })).toEqual([401, "missing_api_key"]);
    const quote = { method: "POST", body, headers: { "x-x402": "true" } };
    expect((await request("/api/v1/chat/completions", quote)).status).toBe(402);
    const unknown = await request("/api/v1/nothing");
    expect([unknown.status, unknown.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
  });

  test("single models are found by an id whose slash stays encoded", async () => {
    const deleted = await request("/api/v1/models/a%2Fb%3Ac", { method: "DELETE", headers: bearer(BOB) });
    expect(await deleted.json()).toEqual({ id: "a/b:c", object: "model", deleted: true });
    expect((await request("/api/models/aion-labs%2Faion-1.0/providers")).status).toBe(200);
    expect((await request("/api/models/aion-labs/aion-1.0/providers")).status).toBe(404);
    expect((await request("/api/models")).status).toBe(200);
  });
});
