// A response becomes a model list only if it is one; what is served keeps every byte of the valid models.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runSync, runCooperatively } from "../../src/async/cooperative.ts";
import { parseModelList, InvalidModelList, modelsOf, scanRows } from "../../src/models/model-list.ts";
import { isBasicModel } from "../../src/models/model-list.ts";
import { basicModel } from "../../src/models/shape.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const checkBytes = (bytes: Uint8Array<ArrayBuffer>) => parseModelList(runSync(scanRows(bytes)));
const check = (text: string) => checkBytes(bytesOf(text));
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("a valid list", () => {
  test.for([
    '{"data":[]}',
    '{"object":"list","data":[{"id":"a"}]}',
    ' {"data" : [ {"id":"a","x":1.0,"y":1e2} ] , "extra": {"deep":[null]} }\n',
    '{"data":[{"id":""}]}',
    '{"error":null,"data":[{"id":"a"}]}',
    `{"data":[{"id":"a","x":${nested(61)}}]}`,
    `{"data":[{"id":"a","x":"${"[{".repeat(500)}\\"${"[".repeat(500)}"}]}`,
    '{"data":[{"id":"a\\\\"},{"id":"\\"[[["}]}',
  ])("keeps every byte: %s", (text) => {
    expect(textOf(check(text).bytes)).toBe(text);
    expect(check(text).dropped).toBe(0);
  });

  test("loses a leading byte order mark", () => {
    const text = '{"data":[{"id":"a"}]}';
    expect(textOf(check(`\uFEFF${text}`).bytes)).toBe(text);
    expect(check(`\uFEFF${text}`).bytes[0]).toBe(0x7b);
  });

  test("loses its invalid rows, which are counted, and nothing else", () => {
    const invalid = ["null", "5", '"a"', "[]", "{}", '{"id":5}', '{"id":null}', "true", '{"__proto__":{"id":"x"}}'];
    const { bytes, models, dropped } = check(
      `{"object":"list","data":[${invalid.join()},{"id":"a","x":[1]},${invalid.join()}],"more":1}`,
    );
    expect(dropped).toBe(2 * invalid.length);
    expect(models).toEqual([{ id: "a", x: [1] }]);
    expect(textOf(bytes)).toBe('{"object":"list","data":[{"id":"a","x":[1]}],"more":1}');
  });

  // Each list has one model, "a", and invalid rows. Objects with the id "no" are elsewhere in the JSON.
  test.for([
    '{"x":{"data":[{"id":"no"},5]},"data":[5,{"id":"a"}]}',
    '{"data":[{"id":"no"}],"data":[5,{"id":"a"},null]}',
    '{"data":{"id":"no"},"data":[5,{"id":"a"}]}',
    '{"x":"\\"data\\":[{\\"id\\":\\"no\\"}]","data":[null,{"id":"a"}]}',
    '{"x":["data",[{"id":"no"}]],"data":[{"id":"a"},"data",[{"id":"no"}]]}',
    '{"d\\u0061ta":[5,{"id":"a"}],"da\\ta":[]}',
    '{"data" :\n[ 5 ,{"id":"a","data":[5,{"id":"no"}]} , "]" ] }',
    '{"data":[[{"id":"no"}],{"id":"a"},{"id":["no"]},-1.5e3,"},{",true]}',
  ])("loses its invalid rows and nothing that looks like rows elsewhere: %s", (text) => {
    const { bytes, models, dropped } = check(text);
    const before: { data: unknown[] } = JSON.parse(text);
    const after: { data: unknown[] } = JSON.parse(textOf(bytes));
    expect(models.map(({ id }) => id)).toEqual(["a"]);
    expect(dropped).toBe(before.data.length - 1);
    expect(after).toEqual({ ...before, data: models });
  });

  test("may have field names that are special in JavaScript", () => {
    const row =
      '{"id":"__proto__","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}';
    const { bytes, models } = check(`{"data":[${row},5]}`);
    expect(textOf(bytes)).toBe(`{"data":[${row}]}`);
    expect(Object.hasOwn(models[0] ?? {}, "__proto__")).toBe(true);
    expect({}).not.toHaveProperty("polluted");
    expect(JSON.stringify(models.map(basicModel))).toBe('[{"id":"__proto__"}]');
  });
});

describe("a list is rejected", () => {
  test.for([
    ["", "not JSON"],
    ["<html></html>", "not JSON"],
    ['{"data":[{"id":"a"}', "not JSON"],
    ["\uFEFF\uFEFF{}", "not JSON"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ['"data"', "not a JSON object"],
    ["{}", "no array of models in `data`"],
    ['{"data":{}}', "no array of models in `data`"],
    ['{"data":null}', "no array of models in `data`"],
    ['{"__proto__":{"data":[]}}', "no array of models in `data`"],
    ['{"error":{"message":"x"}}', "an error with status 200"],
    ['{"error":"x","data":[{"id":"a"}]}', "an error with status 200"],
    ['{"data":[5,null]}', "no row of `data` is a model"],
    [`{"data":[{"id":"a","x":${nested(62)}}]}`, "nested too deep"],
    [nested(100_000), "nested too deep"],
    ['{"a":'.repeat(100_000), "nested too deep"],
  ])("for %.40s: %s", ([text = "", why]) => {
    expect(() => check(text)).toThrow(new InvalidModelList(why));
  });

  test("if it is not UTF-8", () => {
    const bytes = bytesOf('{"data":[{"id":"a?"}]}').map((byte) => (byte === 0x3f ? 0xff : byte));
    expect(() => checkBytes(bytes)).toThrow("not JSON");
  });
});

describe("any bytes", () => {
  test("are a list or an InvalidModelList whose message quotes nothing", () => {
    const json = fc.oneof(
      fc.json({ maxDepth: 5 }),
      fc.array(fc.jsonValue()).map((data) => JSON.stringify({ data })),
    );
    const any = fc.oneof(
      json.map(bytesOf),
      fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          for (const { id } of checkBytes(bytes).models) expect(typeof id).toBe("string");
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidModelList);
          if (error instanceof InvalidModelList) expect(error.message).toMatch(/^(?:not|no|an|nested) [\w `]+$/);
        }
      }),
    );
  });

  test("that were accepted give the same models again, and are accepted again", () => {
    const row = fc.record({ id: fc.string(), x: fc.jsonValue() });
    fc.assert(
      fc.property(fc.array(fc.oneof(row, fc.jsonValue({ maxDepth: 1 }))), (data) => {
        const rows = [{ id: "one" }, ...data];
        const { bytes, models, dropped } = check(JSON.stringify({ object: "list", data: rows }));
        expect(modelsOf(bytes)).toEqual(models);
        expect(models.length + dropped).toBe(rows.length);
        expect(checkBytes(bytes)).toMatchObject({ dropped: 0 });
        for (const model of models) expect(isBasicModel(basicModel(model))).toBe(true);
      }),
    );
  });
});

describe("a long list", () => {
  const data = Array.from({ length: 3000 }, (_, i) =>
    i % 7 === 0 ? null : { id: `model-${i}`, description: '"[{\\'.repeat(i % 40) },
  );
  const bytes = bytesOf(JSON.stringify({ data }));

  const yieldsAt = async (msPerChunk: number) => {
    let [yields, time] = [0, 0];
    const now = () => (time += msPerChunk);
    const { rows } = await runCooperatively(scanRows(bytes), async () => void yields++, now);
    expect(rows.map(({ start, end }) => JSON.parse(textOf(bytes.subarray(start, end))))).toEqual(data);
    return yields;
  };

  test("is scanned in chunks of 32 to 40 KB", () => {
    const chunks = [...scanRows(bytes)].length;
    expect(chunks).toBeGreaterThanOrEqual(Math.floor(bytes.length / 40_000));
    expect(chunks).toBeLessThanOrEqual(bytes.length / 32_768);
  });

  test("yields to the event loop by the time its chunks take, and never when they take none", async () => {
    const chunks = [...scanRows(bytes)].length;
    expect(await yieldsAt(2)).toBe(chunks);
    expect(await yieldsAt(1)).toBe(Math.floor(chunks / 2));
    expect(await yieldsAt(0)).toBe(0);
  });

  test("is rejected for an error in its last row", async () => {
    const deep = bytesOf(`${textOf(bytes).slice(0, -2)},{"id":"a","x":${nested(80)}}]}`);
    await expect(runCooperatively(scanRows(deep), async () => {}, Date.now)).rejects.toThrow("nested too deep");
    expect(() => checkBytes(deep)).toThrow("nested too deep");
  });
});
