// Upstream connections are reused, no call is sent twice, and TLS sessions are resumed unless upstream rejects them.
import { constants } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { startKeylane } from "../support/keylane.ts";
import { plainCall, headerValues } from "../support/plain-call.ts";
import { startProgram } from "../support/program.ts";

if (!hasOpenssl) console.warn("Skipped: tests with TLS, which need openssl; it is not installed.");

/** Starts an upstream without TLS that records its connections, and Keylane in front of it. */
async function startPlain(answer: RequestListener) {
  const sockets: Socket[] = [];
  const server = createServer({ keepAliveTimeout: 0 }, answer).on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const keylane = await startKeylane({ UPSTREAM_URL: url });
  onTestFinished(async () => {
    await keylane.stop();
    server.closeAllConnections();
    server.close();
  });
  const call = (body = "{}") => plainCall(`${keylane.url}/v1/files`, { method: "POST", body });
  return { sockets, call };
}

/** Starts an upstream with TLS that prefers HTTP/2, and the real program in front of it. */
async function startTls(
  answer: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  version: "TLSv1.2" | "TLSv1.3" = "TLSv1.3",
  more: SecureServerOptions = {},
  prepare: (server: Http2SecureServer) => void = () => {},
) {
  const certificate = await makeCertificate();
  const { cert, key } = certificate;
  const server = createSecureServer({ cert, key, allowHTTP1: true, maxVersion: version, ...more }, answer);
  prepare(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    await certificate.remove();
  });
  const { url } = await startProgram({
    UPSTREAM_URL: `https://localhost:${(server.address() as AddressInfo).port}`,
    NODE_EXTRA_CA_CERTS: certificate.path,
  });
  return (body: string) => plainCall(`${url}/v1/files`, { method: "POST", body });
}

describe("a connection to upstream", () => {
  test("is reused for the next call", async () => {
    const { sockets, call } = await startPlain((request, response) => void request.pipe(response));
    for (const body of ["one", "two", "three"]) expect((await call(body)).text).toBe(body);
    expect(sockets).toHaveLength(1);
  });

  test("is not reused after upstream's Keep-Alive timeout", async () => {
    const { sockets, call } = await startPlain((request, response) => {
      response.setHeader("Connection", "keep-alive");
      // undici subtracts a safety margin, after which too little time is left for a call.
      response.setHeader("Keep-Alive", "timeout=2");
      request.pipe(response);
    });
    for (const body of ["one", "two"]) expect((await call(body)).text).toBe(body);
    expect(sockets).toHaveLength(2);
  });

  test.for(["end", "resetAndDestroy"] as const)("that upstream closed while idle (%s) fails no call", async (how) => {
    const { sockets, call } = await startPlain((request, response) => void request.pipe(response));
    for (let i = 0; i < 20; i++) {
      const closed = new Promise((resolve) => sockets.at(-1)?.once("close", resolve) ?? resolve(undefined));
      sockets.at(-1)?.[how]();
      await closed;
      const { status, text } = await call(`${i}`);
      expect({ status, text }).toEqual({ status: 200, text: `${i}` });
    }
    expect(sockets).toHaveLength(20);
  });

  test.for(["end", "resetAndDestroy"] as const)(
    "that upstream closes on a call (%s) fails that call, which is not retried: upstream may have processed it",
    async (how) => {
      let requests = 0;
      const { sockets, call } = await startPlain((request, response) => {
        if (++requests === 2) request.socket[how]();
        else request.pipe(response);
      });
      expect((await call("one")).text).toBe("one");
      const { status, text } = await call("two");
      expect(status).toBe(502);
      expect(JSON.parse(text).error.code).toBe("upstream_error");
      expect({ requests, connections: sockets.length }).toEqual({ requests: 2, connections: 1 });
      expect((await call("three")).text).toBe("three");
    },
  );
});

describe.skipIf(!hasOpenssl && process.env["CI"] !== "true")("with TLS, a connection to upstream", () => {
  test("uses HTTP/1.1, whose header lines reach the client unchanged", async () => {
    const call = await startTls((request, response) => {
      response.setHeader("X-Odd_Name", "kept");
      response.setHeader("X-Version", request.httpVersion);
      response.setHeader("Content-Length", 2);
      response.end("ok");
    });
    const { rawHeaders, text } = await call("{}");
    expect(text).toBe("ok");
    expect(headerValues(rawHeaders, "x-version")).toEqual(["1.1"]);
    expect(rawHeaders).toContain("X-Odd_Name");
    expect(headerValues(rawHeaders, "content-length")).toEqual(["2"]);
  });

  test.for(["TLSv1.2", "TLSv1.3"] as const)("resumes the previous session (%s)", async (version) => {
    const call = await startTls((request, response) => {
      const { socket } = request;
      response.setHeader("Connection", "close");
      response.end(String(socket instanceof TLSSocket && socket.isSessionReused()));
    }, version);
    expect((await call("{}")).text).toBe("false");
    expect((await call("{}")).text).toBe("true");
  });

  test("does not offer a session again on which upstream aborted the handshake", async () => {
    const call = await startTls(
      (_request, response) => {
        response.setHeader("Connection", "close");
        response.end("ok");
      },
      "TLSv1.2",
      // Without tickets, upstream has to remember sessions.
      { secureOptions: constants.SSL_OP_NO_TICKET },
      (server) => {
        const issued = new Set<string>();
        server.on("newSession", (id: Buffer, _session, done: () => void) => {
          issued.add(id.toString("hex"));
          done();
        });
        server.on("resumeSession", (id: Buffer, done: (error: Error | null, session: null) => void) =>
          done(issued.has(id.toString("hex")) ? new Error("lost") : null, null),
        );
      },
    );
    expect((await call("{}")).status).toBe(200);
    expect((await call("{}")).status).toBe(502);
    expect((await call("{}")).status).toBe(200);
  });
});
