import { randomUUID } from "node:crypto";
import { createClient, ErrorReply, MultiErrorReply } from "@redis/client";

export type RedisClient = ReturnType<typeof createClient<{}, {}, {}, 3>>;

/** A connection to Redis that is made anew whenever it is lost or falls silent, until it is closed. */
export interface RedisConnection {
  /** Has commands run. Throws a RedisFault; at once where there is no connection. */
  run<T>(work: (client: RedisClient) => Promise<T>): Promise<T>;
  /** Resolves when the first attempt to connect has ended well or badly; soon in any case. */
  readonly firstAttempt: Promise<void>;
  close(): void;
}

/** Why Redis did not do what it was asked: its own word for it, such as `READONLY`, or the system's. */
export class RedisError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`Redis failed: ${code}`);
    this.code = code;
  }
}

const CONNECT_TIMEOUT_MS = 2000;
const FIRST_ATTEMPT_MS = 1000;
// A connection that does not answer until the next one is given up: the network may be cut, and TCP would wait for minutes.
const PING_INTERVAL_MS = 2500;
const LONGEST_BACK_OFF_MS = 5000;
// So many callers may come at once, as to a process that has just started; behind a silent server more would only wait
// longer. Bounded by whole pieces of work: a queue of commands that is full would cut a transaction in half.
const MAX_WAITING = 2000;

/**
 * Connects to `url`, with a client of its own for each connection. Calls `whenWell` when it has connected and every few
 * seconds while Redis answers.
 */
export function createRedisConnection(url: string, whenWell: (client: RedisClient) => void): RedisConnection {
  let lastFault = "connecting";
  let losses = 0;
  let backOff: NodeJS.Timeout | undefined;
  const { promise: firstAttempt, resolve: stopTrying } = Promise.withResolvers<void>();
  const patience = setTimeout(stopTrying, FIRST_ATTEMPT_MS);

  let waiting = 0;
  let isAnswered = true;
  let isClosed = false;
  let client = connect();

  function connect(): RedisClient {
    const made: RedisClient = createClient({
      url,
      RESP: 3,
      disableOfflineQueue: true,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        // While it is set up; pings come more often than that afterwards.
        socketTimeout: 2 * PING_INTERVAL_MS,
        // Its own waits for the next attempt could not be ended, and a stop would wait for them.
        reconnectStrategy: false,
      },
    });
    made.on("error", (fault: unknown) => {
      lastFault = errorWord(fault);
      stopTrying();
    });
    // What was still being connected when it was let go of would stay.
    made.on("connect", () => isClosed && made.destroy());
    made.on("ready", () => {
      whenWell(made);
      stopTrying();
    });
    made.on("terminated", reconnect);
    // What goes wrong is told above, and firstAttempt again.
    void made.connect().catch(() => {});
    return made;
  }

  function reconnect(): void {
    backOff ??= setTimeout(() => {
      backOff = undefined;
      client.destroy();
      client = connect();
    }, backOffMs(losses++));
  }

  const heartbeat = setInterval(() => {
    // What is being connected has limits of its own.
    if (!client.isReady) return;
    if (!isAnswered) {
      client.destroy();
      lastFault = "silent";
      client = connect();
    }
    isAnswered = !client.isReady;
    if (client.isReady) void ping(client);
  }, PING_INTERVAL_MS);

  async function ping(asked: RedisClient): Promise<void> {
    const word = randomUUID();
    try {
      // Another word back answers another command: the two ends have lost step, and would not find it again.
      isAnswered = (await asked.ping(word)) === word;
      if (!isAnswered) return;
      losses = 0;
      whenWell(asked);
    } catch (fault) {
      // A refusal is an answer too, and what was lost is connected again already.
      if (fault instanceof ErrorReply || !asked.isReady) isAnswered = true;
    }
  }

  return {
    firstAttempt,
    async run(work) {
      if (!client.isReady) throw new RedisError(lastFault);
      if (waiting >= MAX_WAITING) throw new RedisError("busy");
      waiting++;
      try {
        return await work(client);
      } catch (fault) {
        throw new RedisError(errorWord(fault));
      } finally {
        waiting--;
      }
    },
    close() {
      isClosed = true;
      clearInterval(heartbeat);
      clearTimeout(patience);
      clearTimeout(backOff);
      client.destroy();
    },
  };
}

/** Redis begins what it says with a word in capitals; nothing else of it is told: it may quote what was sent. */
function errorWord(fault: unknown): string {
  if (!(fault instanceof Error)) return "unknown";
  // Of a transaction the first thing that went wrong.
  if (fault instanceof MultiErrorReply) return errorWord(fault.errors().next().value);
  if ("code" in fault && typeof fault.code === "string") return fault.code;
  const reply = /^[A-Z]{2,}(?= )/.exec(fault.message)?.[0];
  return fault instanceof ErrorReply && reply !== undefined ? reply : fault.constructor.name;
}

// Jittered in full, so that the processes do not all come back at once.
function backOffMs(losses: number): number {
  return 50 + Math.random() * Math.min(LONGEST_BACK_OFF_MS - 50, 50 * 2 ** Math.min(losses, 10));
}
