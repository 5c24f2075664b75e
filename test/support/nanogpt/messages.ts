import { json, send } from "./answer.ts";
import { namedEvent, sendEvents } from "./event-stream.ts";
import { parsePrompt, type Prompt } from "./prompt.ts";
import { replyTo, type Reply } from "./reply.ts";
import { call, type Route } from "./routes.ts";

/** Anthropic's Messages. Claude Code adds `/v1/messages` to a base URL that ends in `/v1` already. */
export const messagesRoutes: readonly Route[] = [
  call("POST", "(?:/v1)?/messages", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const prompt = await parsePrompt(exchange);
    const reply = replyTo(prompt);
    if (prompt.streamed) return sendEvents(exchange, prompt, events(prompt, reply));
    const content = [{ type: "text", text: reply.text }];
    const { completionTokens: output_tokens } = reply;
    return send(
      exchange,
      json(200, {
        ...message(prompt, reply),
        content,
        stop_reason: "end_turn",
        usage: { input_tokens: reply.promptTokens, output_tokens },
      }),
    );
  }),
  call("POST", "(?:/v1)?/messages/count_tokens", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const { promptTokens } = replyTo(await parsePrompt(exchange));
    send(exchange, json(200, { input_tokens: promptTokens }));
  }),
];

function message({ model }: Prompt, { promptTokens }: Reply) {
  return {
    id: "msg_standin",
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: promptTokens, output_tokens: 0 },
  };
}

function events(prompt: Prompt, reply: Reply): string[] {
  const delta = { stop_reason: "end_turn", stop_sequence: null };
  return [
    { type: "message_start", message: message(prompt, reply) },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "ping" },
    ...reply.pieces.map((text) => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text },
    })),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta, usage: { output_tokens: reply.completionTokens } },
    { type: "message_stop" },
  ].map(namedEvent);
}
