import { request } from "undici";
import type { Settings } from "../config/settings.ts";

const TIMEOUT_MS = 3000;

/** Requests /readyz from the instance with these settings: 0 when it is ready, else 1. */
export async function healthcheck({ host, port, allowedHosts }: Settings): Promise<0 | 1> {
  // A server that listens on every address is reached through loopback.
  const address = host === "0.0.0.0" ? "127.0.0.1" : host.replace(/^::$/, "::1");
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}/readyz`;
  try {
    const headers = allowedHosts?.[0] === undefined ? {} : { host: allowedHosts[0] };
    const { statusCode, body } = await request(url, {
      headers,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await body.dump();
    if (statusCode === 200) return 0;
    const reason = statusCode === 503 ? "it is stopping" : "give this HOST, PORT and ALLOWED_HOSTS as Keylane has them";
    process.stderr.write(`Not ready: ${url} answered ${statusCode}: ${reason}\n`);
  } catch {
    process.stderr.write(`Not ready: ${url} does not answer: start Keylane, or set HOST and PORT to its own\n`);
  }
  return 1;
}
