import { send } from "./answer.ts";
import { byteRoutes } from "./bytes.ts";
import { chatRoutes } from "./chat.ts";
import { embeddingsRoutes } from "./embeddings.ts";
import type { Exchange } from "./exchange.ts";
import { listRoutes } from "./lists.ts";
import { mediaRoutes } from "./media.ts";
import { messagesRoutes } from "./messages.ts";
import { modelRoutes } from "./models.ts";
import { notFoundPage, ErrorAnswer } from "./error-answers.ts";
import { responsesRoutes } from "./responses.ts";
import type { Route, RouteContext } from "./routes.ts";

const routes: readonly Route[] = [
  ...listRoutes,
  ...chatRoutes,
  ...messagesRoutes,
  ...responsesRoutes,
  ...embeddingsRoutes,
  ...mediaRoutes,
  ...modelRoutes,
  ...byteRoutes,
];

/** Answers a request as NanoGPT does. */
export async function respond(exchange: Exchange, context: RouteContext): Promise<void> {
  const { method } = exchange.seen;
  const route = routes.find(({ methods, path }) => (methods?.includes(method) ?? true) && path.test(exchange.path));
  try {
    if (route === undefined) throw notFoundPage();
    await route.answer(exchange, context);
  } catch (error) {
    if (!(error instanceof ErrorAnswer)) throw error;
    send(exchange, error.answer);
  }
}
