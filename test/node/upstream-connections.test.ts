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

if (!hasOpenssl) console.warn("Skipped: tests over TLS, which need openssl; it is not installed here.");

/** An upstream in clear that counts its connections, and Keylane before it. */
async function kept(answer: RequestListener) {
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

/** An upstream that speaks HTTP/2 to clients that offer it, and the real program before it. */
async function secured(
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
  test("is kept for the next call", async () => {
    const { sockets, call } = await kept((request, response) => void request.pipe(response));
    for (const body of ["one", "two", "three"]) expect((await call(body)).text).toBe(body);
    expect(sockets).toHaveLength(1);
  });

  test("is kept no longer than upstream says", async () => {
    const { sockets, call } = await kept((request, response) => {
      response.setHeader("Connection", "keep-alive");
      // What is left of this after the way there is too short for a call.
      response.setHeader("Keep-Alive", "timeout=2");
      request.pipe(response);
    });
    for (const body of ["one", "two"]) expect((await call(body)).text).toBe(body);
    expect(sockets).toHaveLength(2);
  });

  test.for(["end", "resetAndDestroy"] as const)("that it closed while idle (%s) fails no call", async (how) => {
    const { sockets, call } = await kept((request, response) => void request.pipe(response));
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
    "that it closes as a call comes in (%s) fails that call once and cleanly: it may have been read",
    async (how) => {
      let asked = 0;
      const { sockets, call } = await kept((request, response) => {
        if (++asked === 2) request.socket[how]();
        else request.pipe(response);
      });
      expect((await call("one")).text).toBe("one");
      const { status, text } = await call("two");
      expect(status).toBe(502);
      expect(JSON.parse(text).error.code).toBe("upstream_error");
      expect({ asked, connections: sockets.length }).toEqual({ asked: 2, connections: 1 });
      expect((await call("three")).text).toBe("three");
    },
  );
});

describe.skipIf(!hasOpenssl && process.env["CI"] !== "true")("over TLS, a connection to upstream", () => {
  test("is one of HTTP/1.1, whose field lines come down", async () => {
    const call = await secured((request, response) => {
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

  test.for(["TLSv1.2", "TLSv1.3"] as const)("resumes the session of the one before (%s)", async (version) => {
    const call = await secured((request, response) => {
      const { socket } = request;
      response.setHeader("Connection", "close");
      response.end(String(socket instanceof TLSSocket && socket.isSessionReused()));
    }, version);
    expect((await call("{}")).text).toBe("false");
    expect((await call("{}")).text).toBe("true");
  });

  test("does not offer a session again that upstream broke off at", async () => {
    const call = await secured(
      (_request, response) => {
        response.setHeader("Connection", "close");
        response.end("ok");
      },
      "TLSv1.2",
      // Without tickets it is upstream that has to know a session.
      { secureOptions: constants.SSL_OP_NO_TICKET },
      (server) => {
        const given = new Set<string>();
        server.on("newSession", (id: Buffer, _session, done: () => void) => {
          given.add(id.toString("hex"));
          done();
        });
        server.on("resumeSession", (id: Buffer, done: (error: Error | null, session: null) => void) =>
          done(given.has(id.toString("hex")) ? new Error("lost") : null, null),
        );
      },
    );
    expect((await call("{}")).status).toBe(200);
    expect((await call("{}")).status).toBe(502);
    expect((await call("{}")).status).toBe(200);
  });
});
