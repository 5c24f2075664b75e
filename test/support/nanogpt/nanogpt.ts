import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { createAccounts, type Account } from "./accounts.ts";
import { bundledCatalogue, type DetailedModel } from "./catalogue.ts";
import { credentialOf } from "./credential.ts";
import { respond } from "./endpoints.ts";
import { createExchange, type Exchange, type ReceivedRequest } from "./exchange.ts";
import { answerBroken, type Fault } from "./faults.ts";
import { createClosedGate, type Gate } from "./gate.ts";
import { createInterventions, type Where } from "./interventions.ts";
import { isListRequest } from "./lists.ts";
import { TOGGLE_PATH, toggle } from "./toggle.ts";

export type { Account, DetailedModel, Fault, ReceivedRequest, Where };

/** A stand-in for NanoGPT on a local port, whose accounts can be set, requests inspected and faults injected. */
export interface NanoGpt {
  /** The API's base URL, such as `http://127.0.0.1:43121/api`. */
  readonly url: string;
  readonly origin: string;
  readonly models: readonly DetailedModel[];
  /** All requests since the start or the last reset, in order. */
  readonly seen: ReceivedRequest[];
  /** The list requests (GET and HEAD) among them, of all clients or of one key. */
  lists(key?: string): ReceivedRequest[];
  /** Adds or replaces the account of a key, with none of its daily limit used. */
  setAccount(account: Account): void;
  show(key: string, id: string): void;
  hide(key: string, id: string): void;
  revoke(key: string): void;
  /** Injects a fault into future answers, as `Interventions` orders them; `undefined` clears all. */
  fail(fault: Fault | undefined, where?: Where): void;
  /** Delays future answers before their headers. */
  delay(ms: number, where?: Where): void;
  /** Pauses the next matching request (or the next `times`) before its answer, until released. */
  hold(where?: Where): Hold;
  /** Closes the port and every connection, so that connections are refused. */
  pause(): Promise<void>;
  /** Listens on the same port again. */
  resume(): Promise<void>;
  /** Clears `seen`, faults and delays, and releases paused requests. */
  reset(): void;
  /** Closes the port and every connection, which ends paused and delayed requests. */
  stop(): Promise<void>;
}

/** A request paused before its answer. */
export interface Hold {
  release(): void;
  /** Resolves when the first matching request has arrived. */
  readonly arrived: Promise<void>;
}

/** Starts a stand-in on 127.0.0.1, on a free port by default. */
export async function startNanoGpt(
  options: {
    port?: number | undefined;
    accounts?: readonly Account[] | undefined;
    models?: readonly DetailedModel[] | undefined;
  } = {},
): Promise<NanoGpt> {
  const models = options.models ?? bundledCatalogue();
  const accounts = createAccounts(models, options.accounts ?? []);
  const seen: ReceivedRequest[] = [];
  const faults = createInterventions<Fault>();
  const delays = createInterventions<number>();
  const holds = createInterventions<Gate>();
  const gates = new Set<Gate>();
  const sockets = new Set<Socket>();
  const open = new Set<Exchange>();

  const server = createServer({ maxHeaderSize: 128 * 1024, requestTimeout: 0, keepAliveTimeout: 60_000 });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("request", (request, response) => {
    const exchange = createExchange(request, response);
    response.setHeader("x-standin", "1");
    response.setHeader("set-cookie", "standin=1; Path=/; HttpOnly");
    response.sendDate = request.headers["x-standin-no-date"] !== "1";
    open.add(exchange);
    response.on("close", () => open.delete(exchange));
    serve(exchange).catch((error: unknown) => {
      // Nothing can be sent once the exchange is over.
      if (!exchange.signal.aborted) sendStandInError(exchange, error);
    });
  });

  async function serve(exchange: Exchange): Promise<void> {
    if (exchange.path === TOGGLE_PATH) return toggle(exchange, accounts, models);
    seen.push(exchange.seen);
    const gate = holds.take(exchange.seen);
    const delay = delays.take(exchange.seen);
    const fault = faults.take(exchange.seen);
    if (gate !== undefined) await gate.pass(exchange.signal);
    if (delay !== undefined) await exchange.wait(delay);
    if (fault !== undefined) return answerBroken(exchange, fault, { accounts });
    return respond(exchange, { accounts });
  }

  await listen(server, options.port ?? 0);
  const port = portOf(server);
  const origin = `http://127.0.0.1:${port}`;

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const exchange of open) exchange.markEndedByServer();
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  return {
    url: `${origin}/api`,
    origin,
    models,
    seen,
    lists: (key) =>
      seen.filter((one) => isListRequest(one) && (key === undefined || credentialOf(one.headers) === key)),
    setAccount: (account) => accounts.set(account),
    show: (key, id) => accounts.show(key, id),
    hide: (key, id) => accounts.hide(key, id),
    revoke: (key) => accounts.revoke(key),
    fail(fault, where) {
      if (fault === undefined) faults.clear();
      else faults.add(fault, where);
    },
    delay: (ms, where) => delays.add(ms, where),
    hold(where) {
      const gate = createClosedGate();
      gates.add(gate);
      holds.add(gate, { ...where, times: where?.times ?? 1 });
      return gate;
    },
    pause: close,
    resume: () => listen(server, port),
    reset() {
      seen.length = 0;
      for (const rules of [faults, delays, holds]) rules.clear();
      for (const gate of gates) gate.release();
      gates.clear();
    },
    stop: close,
  };
}

async function listen(server: Server, port: number): Promise<void> {
  const listening = once(server, "listening");
  server.listen(port, "127.0.0.1");
  await listening;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("Cannot read the port: the server must be listening");
  return address.port;
}

// A bug in the stand-in itself must show in the test.
function sendStandInError({ response, request }: Exchange, error: unknown): void {
  if (response.headersSent) {
    request.socket.destroy();
    return;
  }
  response.writeHead(500, { "content-type": "text/plain" });
  response.end(`The stand-in failed: ${error instanceof Error ? error.stack : String(error)}\n`);
}
