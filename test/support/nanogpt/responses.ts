import { json, send } from "./answer.ts";
import { namedEvent, sendEvents } from "./event-stream.ts";
import { parsePrompt, type Prompt } from "./prompt.ts";
import { replyTo, type Reply } from "./reply.ts";
import { call, type Route } from "./routes.ts";

/** OpenAI's Responses, whole or streamed. */
export const responsesRoutes: readonly Route[] = [
  call("POST", "/responses", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const prompt = await parsePrompt(exchange);
    const reply = replyTo(prompt);
    if (prompt.streamed) return sendEvents(exchange, prompt, events(prompt, reply));
    return send(exchange, json(200, completed(prompt, reply)));
  }),
];

function events(prompt: Prompt, reply: Reply): string[] {
  const item_id = ITEM_ID;
  const position = { item_id, output_index: 0, content_index: 0 };
  const stream: { readonly type: string; readonly [field: string]: unknown }[] = [
    { type: "response.created", response: inProgress(prompt) },
    { type: "response.in_progress", response: inProgress(prompt) },
    { type: "response.output_item.added", output_index: 0, item: item("in_progress", []) },
    { type: "response.content_part.added", ...position, part: part("") },
    ...reply.pieces.map((delta) => ({ type: "response.output_text.delta", ...position, delta, logprobs: [] })),
    { type: "response.output_text.done", ...position, text: reply.text, logprobs: [] },
    { type: "response.content_part.done", ...position, part: part(reply.text) },
    { type: "response.output_item.done", output_index: 0, item: item("completed", [part(reply.text)]) },
    { type: "response.completed", response: completed(prompt, reply) },
  ];
  return stream.map((event, sequence_number) => namedEvent({ ...event, sequence_number }));
}

function inProgress({ model }: Prompt) {
  return {
    id: "resp_standin",
    object: "response",
    created_at: 1_780_000_000,
    status: "in_progress",
    model,
    output: [],
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
  };
}

function completed(prompt: Prompt, reply: Reply) {
  const usage = {
    input_tokens: reply.promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: reply.completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: reply.promptTokens + reply.completionTokens,
  };
  return { ...inProgress(prompt), status: "completed", output: [item("completed", [part(reply.text)])], usage };
}

function item(status: string, content: object[]) {
  return { id: ITEM_ID, type: "message", role: "assistant", status, content };
}

function part(text: string) {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

const ITEM_ID = "msg_standin";
