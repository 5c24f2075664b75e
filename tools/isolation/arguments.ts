import { parseArgs } from "node:util";
import { parseBaseUrl } from "../../src/cli/address.ts";
import { CannotCheck } from "./cannot-check.ts";

/** The parsed command line. */
export interface Arguments {
  readonly origin: string;
  /** The path before `/models`, such as `/v1`. */
  readonly base: string;
  /** Origin and base. */
  readonly url: string;
  readonly keys: { readonly A: string; readonly B: string };
  /** Time limit of one response. */
  readonly timeoutMs: number;
  /** Whether a check may send a key in a URL, which proxies on the way write to their access logs. */
  readonly mayPutKeysInUrls: boolean;
  /** Whether the keys leave this machine without TLS. */
  readonly isPlaintext: boolean;
}

const DEFAULT_URL = "http://127.0.0.1:8787";
const DEFAULT_TIMEOUT_SECONDS = 20;

export const HELP: string = `npm run test:isolation -- [URL]   check that a running instance keeps two keys apart

  URL             its address, with or without /v1; ${DEFAULT_URL} unless given
  KEY_A, KEY_B    environment variables: two NanoGPT keys that see different models; never on the command line. What is
                  not set is asked for, where this runs in a terminal
  --timeout N     seconds to wait for an answer; ${DEFAULT_TIMEOUT_SECONDS} unless given
  --key-in-url    also send KEY_A in a URL, as a careless tool would. Done anyway on this machine; elsewhere the key
                  would stay in the access logs of the proxies on the way
  --help          this text

It makes some 500 requests. Nearly all may only be answered from the cache; Keylane asks NanoGPT about 5 times with
each key. The instance forgets the lists it holds for the two keys. Neither key is printed.
Exit code: 0 isolated, 1 a check failed, 2 nothing can be said, and why.
`;

export function wantsHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/** Parses command line and environment. Throws CannotCheck, which never quotes an argument: it may contain a key. */
export function parseArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Arguments {
  const keysSet = [environment["KEY_A"], environment["KEY_B"]].filter((key) => key !== undefined && key !== "");
  const hasKey = args.some((text) => mayContainKey(text) || keysSet.some((key) => text.includes(String(key))));
  if (hasKey || hasStrayArgument(args)) {
    throw new CannotCheck(
      "a key stands on the command line, where every user of this machine can read it. Put the keys into the environment variables KEY_A and KEY_B.",
    );
  }
  const { urls, timeout, keyInUrl } = parseOptions(args);
  if (urls.length > 1) throw new CannotCheck(`give one URL, such as ${DEFAULT_URL}, got ${urls.length} arguments.`);
  const address = parseBaseUrl(urls[0] ?? DEFAULT_URL);
  if (address === undefined) {
    throw new CannotCheck(
      `the address must be an http or https URL without user, query or fragment, such as ${DEFAULT_URL}.`,
    );
  }
  const { origin, base, isLoopback } = address;
  const keys = { A: readKey("KEY_A", environment), B: readKey("KEY_B", environment) };
  if (keys.A === keys.B) {
    throw new CannotCheck("KEY_A and KEY_B are the same key. Set them to the keys of two accounts.");
  }
  return {
    origin,
    base,
    url: origin + base,
    keys,
    timeoutMs: parseSeconds(timeout) * 1000,
    mayPutKeysInUrls: isLoopback || keyInUrl,
    isPlaintext: !isLoopback && origin.startsWith("http:"),
  };
}

// An argument that is neither the address nor an option's value may be a key.
function hasStrayArgument(args: readonly string[]): boolean {
  return parseOptions(args).urls.some((text, index) => index > 0 && !text.includes("://"));
}

function mayContainKey(text: string): boolean {
  return /sk-|KEY_[AB]|--?(?:api-?)?key(?!-in-url)|^bearer\b|[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/i.test(text);
}

function parseOptions(args: readonly string[]): {
  urls: string[];
  timeout: string | undefined;
  keyInUrl: boolean;
} {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { timeout: { type: "string" }, "key-in-url": { type: "boolean" } },
    });
    return { urls: positionals, timeout: values.timeout, keyInUrl: values["key-in-url"] === true };
  } catch {
    throw new CannotCheck("an option is not known here. See --help.");
  }
}

function readKey(name: "KEY_A" | "KEY_B", environment: Readonly<Record<string, string | undefined>>): string {
  const key = environment[name]?.trim() ?? "";
  if (key === "") {
    throw new CannotCheck(`${name} is missing. Set KEY_A and KEY_B to two NanoGPT keys that see different models.`);
  }
  if (!/^[\w.~+/:=-]{6,512}$/.test(key)) {
    throw new CannotCheck(`${name} is not a key as NanoGPT gives them. Paste it again, without quotes and spaces.`);
  }
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(key)) {
    throw new CannotCheck(`${name} is a signed token, for which nothing is ever stored. Set it to an API key.`);
  }
  return key;
}

function parseSeconds(timeout: string | undefined): number {
  const seconds = timeout === undefined ? DEFAULT_TIMEOUT_SECONDS : Number(timeout);
  if (seconds > 0 && seconds <= 600) return seconds;
  throw new CannotCheck("--timeout must be a number of seconds, at most 600.");
}
