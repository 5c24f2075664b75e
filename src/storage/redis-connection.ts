import { randomUUID } from "node:crypto";
import { createClient, ErrorReply, MultiErrorReply } from "@redis/client";

export type RedisClient = ReturnType<typeof createClient<{}, {}, {}, 3>>;

/** A connection to Redis that reconnects when it is lost or silent, until it is closed. */
export interface RedisConnection {
  /** Runs commands. Throws a RedisError; without a connection it does so at once. */
  run<T>(work: (client: RedisClient) => Promise<T>): Promise<T>;
  /** Resolves when the first attempt to connect has succeeded or failed, after a second at the latest. */
  readonly firstAttempt: Promise<void>;
  close(): void;
}

/** A failed command; `code` is Redis's own, such as `READONLY`, or the system's. */
export class RedisError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`Redis failed: ${code}`);
    this.code = code;
  }
}

const CONNECT_TIMEOUT_MS = 2000;
const FIRST_ATTEMPT_MS = 1000;
// A connection without an answer by the next ping is closed: the network may be cut, and TCP would wait for minutes.
const PING_INTERVAL_MS = 2500;
const MAX_BACK_OFF_MS = 5000;
// Enough for the clients of a process that has just started; with a silent server more would only wait longer. Counted
// per `run` and not per command: a limit on commands could cut a transaction in half.
const MAX_PENDING = 2000;

/**
 * Connects to `url`, with a new client for each connection. Calls `onReady` when it has connected, and then every few
 * seconds while Redis answers.
 */
export function createRedisConnection(url: string, onReady: (client: RedisClient) => void): RedisConnection {
  let lastError = "connecting";
  let failedAttempts = 0;
  let backOff: NodeJS.Timeout | undefined;
  const { promise: firstAttempt, resolve: settleFirstAttempt } = Promise.withResolvers<void>();
  const firstAttemptTimer = setTimeout(settleFirstAttempt, FIRST_ATTEMPT_MS);

  let pending = 0;
  let isAnswered = true;
  let isClosed = false;
  let client = connect();

  function connect(): RedisClient {
    const newClient: RedisClient = createClient({
      url,
      RESP: 3,
      disableOfflineQueue: true,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        // For the handshake; later the heartbeat notices a silent server sooner.
        socketTimeout: 2 * PING_INTERVAL_MS,
        // The package's own back-off cannot be cancelled, so the process could not exit during it.
        reconnectStrategy: false,
      },
    });
    newClient.on("error", (error: unknown) => {
      lastError = redisErrorCode(error);
      settleFirstAttempt();
    });
    // A connection that completes after `close` would stay open.
    newClient.on("connect", () => isClosed && newClient.destroy());
    newClient.on("ready", () => {
      onReady(newClient);
      settleFirstAttempt();
    });
    newClient.on("terminated", reconnect);
    // The listeners above handle the error and retry.
    void newClient.connect().catch(() => {});
    return newClient;
  }

  function reconnect(): void {
    backOff ??= setTimeout(() => {
      backOff = undefined;
      client.destroy();
      client = connect();
    }, backOffMs(failedAttempts++));
  }

  const heartbeat = setInterval(() => {
    // A handshake has its own timeouts.
    if (!client.isReady) return;
    if (!isAnswered) {
      client.destroy();
      lastError = "silent";
      client = connect();
    }
    isAnswered = !client.isReady;
    if (client.isReady) void ping(client);
  }, PING_INTERVAL_MS);

  async function ping(pinged: RedisClient): Promise<void> {
    const nonce = randomUUID();
    try {
      // Any other reply belongs to another command: requests and replies are out of step, and would stay so.
      isAnswered = (await pinged.ping(nonce)) === nonce;
      if (!isAnswered) return;
      failedAttempts = 0;
      onReady(pinged);
    } catch (error) {
      // An error reply is a reply too, and a lost connection is already being replaced.
      if (error instanceof ErrorReply || !pinged.isReady) isAnswered = true;
    }
  }

  return {
    firstAttempt,
    async run(work) {
      if (!client.isReady) throw new RedisError(lastError);
      if (pending >= MAX_PENDING) throw new RedisError("busy");
      pending++;
      try {
        return await work(client);
      } catch (error) {
        throw new RedisError(redisErrorCode(error));
      } finally {
        pending--;
      }
    },
    close() {
      isClosed = true;
      clearInterval(heartbeat);
      clearTimeout(firstAttemptTimer);
      clearTimeout(backOff);
      client.destroy();
    },
  };
}

/** The code in capitals that begins Redis's error text. The rest of the text may quote what was sent. */
function redisErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  // For a transaction, the code of its first error.
  if (error instanceof MultiErrorReply) return redisErrorCode(error.errors().next().value);
  if ("code" in error && typeof error.code === "string") return error.code;
  const reply = /^[A-Z]{2,}(?= )/.exec(error.message)?.[0];
  return error instanceof ErrorReply && reply !== undefined ? reply : error.constructor.name;
}

// With full jitter, so that the processes do not all reconnect at once.
function backOffMs(failedAttempts: number): number {
  return 50 + Math.random() * Math.min(MAX_BACK_OFF_MS - 50, 50 * 2 ** Math.min(failedAttempts, 10));
}
