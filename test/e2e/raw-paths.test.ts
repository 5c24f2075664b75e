import { describe, expect, test } from "vitest";
import { BOBS, BOBS_LIST, get, odd, primed, seenBy } from "../support/raw-request.ts";
import { BOB } from "../support/setup.ts";

const REFUSED = "400 bad_request, in step";
const NO_STORE = /^cache-control: no-store\r?$/im;
const PRIVATE = /^cache-control: private, no-cache\r?$/im;
const words = (text: string) => text.trim().split(/\s+/);

describe("a path that a cache might take for a file", () => {
  test.for(
    words(`
      /v1/models/..%2f..%2fstatic.css /v1/models%2f..%2fx /static/..%2fv1/models /v1/models%00.css /v1/models%0a.css
      /v1/models/%2e%2e/models /v1/models/%c0%ae%c0%ae/x /v1/%uff0e%uff0e/models /v1/models/%2f%2e%2e%2fx.css
      /v1/models/x%2f.. /v1/models/x/%2e%2e;/y.css /.well-known/../v1/models /v1/models%5c..%5cx.css /v1/models\\x.css
      /v1/models/x%0d%0aSet-Cookie:a=b /healthz/..%2fv1/models /v1/models/%E0%80%AE/x.css /v1/models/%ff.css
      /static/%2e%2e/v1/models /v1/models/%2e/x.css`),
  )("is refused: %s", async (target) => {
    const all = await primed();
    for (const fields of ["", BOBS]) {
      const { outcome, answers } = await odd(get(target, fields), all);
      expect(outcome).toBe(REFUSED);
      expect(answers[0]?.head).toMatch(NO_STORE);
    }
    expect(seenBy(all)).toEqual([]);
  });

  test.for(
    words(`
      //evil/v1/models /V1/MODELS /%76%31/models /robots.txt /healthz;/v1/models /static/v1/models /models.css
      /openrouter.css/v1/models /v2/models/x.css /favicon.ico?/v1/models /%2fv1/models`),
  )("is nobody's room: %s", async (target) => {
    const all = await primed();
    for (const fields of ["", BOBS]) {
      const { outcome, answers } = await odd(get(target, fields), all);
      expect(outcome).toBe("404 not_found, in step");
      expect(answers[0]?.head).toMatch(NO_STORE);
    }
    expect(seenBy(all)).toEqual([]);
  });

  test.for(
    words(`
      /v1/models/x.css /v1/models/.css /v1/models/%252e%252e/static.css /v1/models/;/x.css /v1/models/x;.css
      /v1/models/%2e.css /v1/models/...css /v1/models//x.css /basic/v1/models/x.css /api/v1/models/x.css
      /v1/models/%7f.css /v1/models/%01.css //v1//models//x.css /v1/models/~/x.css /v1/models/%EF%BC%8E%EF%BC%8E/x.css
      /v1/models/%3fx.css /v1/models/%23x.css /v1/chat/completions/models/x.css`),
  )("is a model of that name, which no cache may keep: %s", async (target) => {
    const all = await primed();
    const nobody = await odd(get(target, ""), all);
    expect(nobody.outcome).toBe("401 missing_api_key, in step");
    const bob = await odd(get(target), all);
    expect(bob.outcome).toBe("404 model_not_found, in step");
    for (const { head } of [...nobody.answers, ...bob.answers]) expect(head).toMatch(NO_STORE);
    expect(seenBy(all)).toEqual([BOBS_LIST]);
  });

  test.for(
    words(`
      /v1/models;x.css /v1/models%3bx.css /v1/models.json /v1/Models /v1/model%73 /v1%2fmodels /v1/models%2f
      /v1/models%2fx.css /v1/models%23x.css /v1/models%3f.css /v1/models%20 /v1/models%09 /v1/models%c0%afx.css
      /v1/models%e0%80%afx.css /v1/%ef%bc%8e%ef%bc%8e/models /v1/models%ef%bc%8fx.css /v1/models%252fx.css
      /v1/models&x=.css /v1/models,x.css /v1/models:x.css /v1/models@x.css /v1/models$x.css /v1/models!.css /v1%2f..models/x`),
  )("passes through to exactly that path: %s", async (target) => {
    const all = await primed();
    for (const fields of ["", BOBS]) await odd(get(target, fields), all);
    expect(seenBy(all)).toEqual([`GET /api${target} nobody`, `GET /api${target} ${BOB}`]);
  });

  test.for(["/v1/models?.css", "/v1/models/?/x.css", "/v1/models?/../../x.css", "/v1/models?x=%2f..%2f.css"])(
    "is a list, which only its caller's own cache may keep: %s",
    async (target) => {
      const all = await primed();
      expect((await odd(get(target, ""), all)).outcome).toBe("401 missing_api_key, in step");
      const { outcome, answers, upstream } = await odd(get(target), all);
      expect(outcome).toBe("200, in step");
      expect(answers[0]?.head).toMatch(PRIVATE);
      expect(upstream).toEqual([
        expect.stringMatching(/^GET \/api\/personalized\/v1\/models\?\S+ sk-nano-test-bob$/),
      ]);
    },
  );
});
