// The list and chat requests of known tools and web pages work as those tools send them.
import { describe, expect, test } from "vitest";
import { ALICE, setup } from "../support/setup.ts";

/**
 * Requests of a tool that test/clients cannot run. Those of LibreChat (packages/api/src/endpoints/models.ts), Open WebUI
 * (backend/open_webui/routers/openai.py) and Roo Code (src/api/providers/openai.ts) are from their source. The other
 * tools are closed source: theirs follow the setup guides of the tool and of NanoGPT. LibreChat, Roo Code and Droid
 * send chats with the openai package, which test/clients runs.
 */
interface Tool {
  readonly headers: Readonly<Record<string, string>>;
  /** Paths of its list requests. */
  readonly lists: readonly string[];
  readonly chats: readonly string[];
  /** Its Origin, where it runs in a browser. */
  readonly origin?: string;
}

const AXIOS = {
  accept: "application/json, text/plain, */*",
  "accept-encoding": "gzip, compress, deflate, br",
  "user-agent": "axios/1.13.2",
};
const STAINLESS = {
  accept: "application/json",
  "x-stainless-arch": "x64",
  "x-stainless-lang": "js",
  "x-stainless-os": "Linux",
  "x-stainless-package-version": "6.10.0",
  "x-stainless-retry-count": "0",
  "x-stainless-runtime": "node",
  "x-stainless-runtime-version": "v22.19.0",
};
const CHAT = "/chat/completions";
const TOOLS: Readonly<Record<string, Tool>> = {
  LibreChat: {
    headers: AXIOS,
    lists: ["/v1/models", "/api/v1legacy/models", "/v1/models?user=6731f0a2c5f0b1a9d3e8c4b7"],
    chats: [`/v1${CHAT}`, `/api/v1legacy${CHAT}`],
  },
  "Open WebUI": {
    headers: {
      accept: "*/*",
      "accept-encoding": "gzip, deflate, br",
      "user-agent": "Python/3.11 aiohttp/3.12.15",
      "content-type": "application/json",
      "x-openwebui-user-name": "Alice%20A.",
      "x-openwebui-user-id": "7c1f",
      "x-openwebui-user-email": "alice@example.org",
      "x-openwebui-user-role": "user",
    },
    lists: ["/v1/models", "/api/v1/models"],
    chats: [`/v1${CHAT}`, `/api/v1${CHAT}`],
  },
  "Roo Code": {
    headers: {
      ...AXIOS,
      "http-referer": "https://github.com/RooVetGit/Roo-Cline",
      "x-title": "Roo Code",
      "user-agent": "RooCode/3.34.0",
    },
    // Roo Code keeps a trailing slash of the base URL.
    lists: ["/api/v1thinking/models", "/api/v1thinking//models"],
    chats: [`/api/v1thinking${CHAT}`],
  },
  Cursor: { headers: { accept: "*/*" }, lists: ["/api/v1/models"], chats: [`/api/v1${CHAT}`] },
  Droid: { headers: STAINLESS, lists: [], chats: [`/api/v1${CHAT}`] },
  TypingMind: {
    headers: { accept: "*/*" },
    lists: ["/v1/models"],
    chats: [`/v1${CHAT}`],
    origin: "https://www.typingmind.com",
  },
  JanitorAI: {
    headers: { accept: "*/*" },
    lists: [],
    chats: [`/api/v1${CHAT}`, `/api/v1thinking${CHAT}`],
    origin: "https://janitorai.com",
  },
};
const body = JSON.stringify({
  model: "NousResearch/Hermes-4-70B:thinking",
  stream: true,
  messages: [{ role: "user", content: "tell me" }],
});

describe.for(Object.entries(TOOLS))("a request of %s", ([, { headers, lists, chats, origin }]) => {
  const { sent, chat } = requests({ headers, origin });

  test.for(lists)("gets the key's list at %s", async (path) => {
    const { call } = await setup();
    const answer = await call(path, { headers: sent });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    const again = await call(path, { headers: { ...sent, "accept-encoding": "identity" } });
    expect(again.ids().sort()).toEqual(["NousResearch/Hermes-4-70B:thinking", "openai/gpt-4-turbo"]);
    expect(again.headers["cache-status"]).toMatch(/^keylane; hit/);
  });

  test.for(chats)("gets a stream at %s, and reaches NanoGPT unchanged", async (path) => {
    const { call, nano } = await setup();
    const answer = await call(path, chat);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(nano.seen.map(({ target }) => target)).toEqual([
      path.replace(/^(?:\/(?:basic|detailed|openrouter))?(?:\/api)?\//, "/api/"),
    ]);
    expect(nano.seen[0]?.headers).toMatchObject(chat.headers);
    expect(String(nano.seen[0]?.body)).toBe(body);
  });
});

const PAGES = Object.entries(TOOLS).flatMap(([name, tool]) =>
  tool.origin === undefined ? [] : [{ name, ...tool, origin: tool.origin }],
);
describe.for(PAGES)("a request of the $name page", ({ headers, lists, chats, origin }) => {
  const { sent, chat } = requests({ headers, origin });

  test.for([...lists, ...chats])("is allowed by CORS at %s", async (path) => {
    const { call } = await setup();
    const requestedHeaders = "authorization,content-type";
    const preflight = await call(path, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": path.endsWith("models") ? "GET" : "POST",
        "access-control-request-headers": requestedHeaders,
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers["access-control-allow-origin"]).toBe("*");
    expect(preflight.headers["access-control-allow-headers"]).toBe(requestedHeaders);
    // The page can also read the error.
    const wrongKey = { ...sent, authorization: "Bearer sk-nano-test-nobody" };
    const options = path.endsWith("models") ? {} : chat;
    for (const headers of [sent, wrongKey]) {
      const answer = await call(path, { ...options, headers });
      expect(answer.status).toBe(headers === sent ? 200 : 401);
      expect(answer.headers["access-control-allow-origin"]).toBe("*");
    }
  });
});

function requests({ headers, origin }: Pick<Tool, "headers"> & { origin?: string | undefined }) {
  const sent = { ...headers, authorization: `Bearer ${ALICE}`, ...(origin === undefined ? {} : { origin }) };
  return { sent, chat: { method: "POST", headers: { ...sent, "content-type": "application/json" }, body } };
}
