// A path that another cache might take for a static file never makes a list cacheable there.
import { describe, expect, test } from "vitest";
import {
  BOB_HEADER,
  BOB_LIST_REQUEST,
  get,
  sendRawRequest,
  primedSetup,
  upstreamRequests,
} from "../support/raw-request.ts";
import { BOB } from "../support/setup.ts";

const REJECTED = "400 bad_request, in sync";
const NO_STORE = /^cache-control: no-store\r?$/im;
const PRIVATE = /^cache-control: private, no-cache\r?$/im;
const args = (text: string) => text.trim().split(/\s+/);

describe("a path that a cache might take for a static file", () => {
  test.for(
    args(`
      /v1/models/..%2f..%2fstatic.css /v1/models%2f..%2fx /static/..%2fv1/models /v1/models%00.css /v1/models%0a.css
      /v1/models/%2e%2e/models /v1/models/%c0%ae%c0%ae/x /v1/%uff0e%uff0e/models /v1/models/%2f%2e%2e%2fx.css
      /v1/models/x%2f.. /v1/models/x/%2e%2e;/y.css /.well-known/../v1/models /v1/models%5c..%5cx.css /v1/models\\x.css
      /v1/models/x%0d%0aSet-Cookie:a=b /healthz/..%2fv1/models /v1/models/%E0%80%AE/x.css /v1/models/%ff.css
      /static/%2e%2e/v1/models /v1/models/%2e/x.css`),
  )("is rejected: %s", async (target) => {
    const all = await primedSetup();
    for (const fields of ["", BOB_HEADER]) {
      const { outcome, answers } = await sendRawRequest(get(target, fields), all);
      expect(outcome).toBe(REJECTED);
      expect(answers[0]?.head).toMatch(NO_STORE);
    }
    expect(upstreamRequests(all)).toEqual([]);
  });

  test.for(
    args(`
      //evil/v1/models /V1/MODELS /%76%31/models /robots.txt /healthz;/v1/models /static/v1/models /models.css
      /openrouter.css/v1/models /v2/models/x.css /favicon.ico?/v1/models /%2fv1/models`),
  )("is an unknown path: %s", async (target) => {
    const all = await primedSetup();
    for (const fields of ["", BOB_HEADER]) {
      const { outcome, answers } = await sendRawRequest(get(target, fields), all);
      expect(outcome).toBe("404 not_found, in sync");
      expect(answers[0]?.head).toMatch(NO_STORE);
    }
    expect(upstreamRequests(all)).toEqual([]);
  });

  test.for(
    args(`
      /v1/models/x.css /v1/models/.css /v1/models/%252e%252e/static.css /v1/models/;/x.css /v1/models/x;.css
      /v1/models/%2e.css /v1/models/...css /v1/models//x.css /basic/v1/models/x.css /api/v1/models/x.css
      /v1/models/%7f.css /v1/models/%01.css //v1//models//x.css /v1/models/~/x.css /v1/models/%EF%BC%8E%EF%BC%8E/x.css
      /v1/models/%3fx.css /v1/models/%23x.css /v1/chat/completions/models/x.css`),
  )("is a model id, and its response may not be cached: %s", async (target) => {
    const all = await primedSetup();
    const withoutKey = await sendRawRequest(get(target, ""), all);
    expect(withoutKey.outcome).toBe("401 missing_api_key, in sync");
    const bob = await sendRawRequest(get(target), all);
    expect(bob.outcome).toBe("404 model_not_found, in sync");
    for (const { head } of [...withoutKey.answers, ...bob.answers]) expect(head).toMatch(NO_STORE);
    expect(upstreamRequests(all)).toEqual([BOB_LIST_REQUEST]);
  });

  test.for(
    args(`
      /v1/models;x.css /v1/models%3bx.css /v1/models.json /v1/Models /v1/model%73 /v1%2fmodels /v1/models%2f
      /v1/models%2fx.css /v1/models%23x.css /v1/models%3f.css /v1/models%20 /v1/models%09 /v1/models%c0%afx.css
      /v1/models%e0%80%afx.css /v1/%ef%bc%8e%ef%bc%8e/models /v1/models%ef%bc%8fx.css /v1/models%252fx.css
      /v1/models&x=.css /v1/models,x.css /v1/models:x.css /v1/models@x.css /v1/models$x.css /v1/models!.css /v1%2f..models/x`),
  )("is passed through unchanged: %s", async (target) => {
    const all = await primedSetup();
    for (const fields of ["", BOB_HEADER]) await sendRawRequest(get(target, fields), all);
    expect(upstreamRequests(all)).toEqual([`GET /api${target} anonymous`, `GET /api${target} ${BOB}`]);
  });

  test.for(["/v1/models?.css", "/v1/models/?/x.css", "/v1/models?/../../x.css", "/v1/models?x=%2f..%2f.css"])(
    "is a list, which only a private cache may store: %s",
    async (target) => {
      const all = await primedSetup();
      expect((await sendRawRequest(get(target, ""), all)).outcome).toBe("401 missing_api_key, in sync");
      const { outcome, answers, upstream } = await sendRawRequest(get(target), all);
      expect(outcome).toBe("200, in sync");
      expect(answers[0]?.head).toMatch(PRIVATE);
      expect(upstream).toEqual([expect.stringMatching(/^GET \/api\/personalized\/v1\/models\?\S+ sk-nano-test-bob$/)]);
    },
  );
});
