import { gzipAnswer, json, send, type Answer } from "./answer.ts";
import { dataEvent, sendEvents } from "./event-stream.ts";
import type { Exchange } from "./exchange.ts";
import { parsePrompt, type Prompt } from "./prompt.ts";
import { replyTo, type Reply } from "./reply.ts";
import { call, type Route } from "./routes.ts";

/** Chat completions and the older text completions, whole or streamed. */
export const chatRoutes: readonly Route[] = [
  call("POST", "/chat/completions", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const prompt = await parsePrompt(exchange);
    exchange.response.setHeader("link", ['</api/v1/models>; rel="index"', '</terms>; rel="license"']);
    if (prompt.streamed) return sendEvents(exchange, prompt, chatEvents(prompt, replyTo(prompt)));
    return sendCompletion(exchange, json(200, chatCompletion(prompt, replyTo(prompt))));
  }),
  call("POST", "/completions", async (exchange, { accounts }) => {
    accounts.requireKeyOrPayment(exchange);
    const prompt = await parsePrompt(exchange);
    if (prompt.streamed) return sendEvents(exchange, prompt, textEvents(prompt, replyTo(prompt)));
    return sendCompletion(exchange, json(200, textCompletion(prompt, replyTo(prompt))));
  }),
];

async function sendCompletion(exchange: Exchange, answer: Answer): Promise<void> {
  const forced = exchange.request.headers["x-standin-gzip"] === "1";
  send(exchange, forced ? await gzipAnswer(answer) : answer);
}

function chatCompletion({ model }: Prompt, reply: Reply) {
  const message = { role: "assistant", content: reply.text, refusal: null };
  return {
    id: "chatcmpl-standin",
    object: "chat.completion",
    created: CREATED,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
    usage: usageOf(reply),
  };
}

function chatEvents({ model, fields }: Prompt, reply: Reply): string[] {
  const chunk = { id: "chatcmpl-standin", object: "chat.completion.chunk", created: CREATED, model };
  const choice = (delta: object, finish_reason: string | null) => ({
    ...chunk,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  });
  const [first = "", ...rest] = reply.pieces;
  return [
    dataEvent(choice({ role: "assistant", content: "" }, null)),
    dataEvent(choice({ content: first }, null)),
    KEEP_ALIVE,
    ...rest.map((content) => dataEvent(choice({ content }, null))),
    dataEvent({ ...choice({}, "stop"), usage: usageOf(reply) }),
    ...(wantsUsage(fields) ? [dataEvent({ ...chunk, choices: [], usage: usageOf(reply) })] : []),
    DONE,
  ];
}

function textCompletion({ model }: Prompt, reply: Reply) {
  return {
    id: "cmpl-standin",
    object: "text_completion",
    created: CREATED,
    model,
    choices: [{ index: 0, text: reply.text, logprobs: null, finish_reason: "stop" }],
    usage: usageOf(reply),
  };
}

function textEvents({ model }: Prompt, reply: Reply): string[] {
  const chunk = { id: "cmpl-standin", object: "text_completion", created: CREATED, model };
  const choice = (text: string, finish_reason: string | null) =>
    dataEvent({ ...chunk, choices: [{ index: 0, text, logprobs: null, finish_reason }] });
  return [...reply.pieces.map((piece) => choice(piece, null)), choice("", "stop"), DONE];
}

function usageOf({ promptTokens, completionTokens }: Reply) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function wantsUsage({ stream_options: options }: Prompt["fields"]): boolean {
  return (
    typeof options === "object" && options !== null && "include_usage" in options && options.include_usage === true
  );
}

const CREATED = 1_780_000_000;
const KEEP_ALIVE = ": keep-alive\n\n";
const DONE = "data: [DONE]\n\n";
