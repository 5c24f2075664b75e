import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseModelList, InvalidModelList, modelsOf, scanRows } from "../../src/models/model-list.ts";
import { isBasicModel } from "../../src/models/model-list.ts";
import { basicModel } from "../../src/models/shape.ts";
import { runSync, runCooperatively } from "../../src/async/cooperative.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const checkBytes = (bytes: Uint8Array<ArrayBuffer>) => parseModelList(runSync(scanRows(bytes)));
const check = (text: string) => checkBytes(bytesOf(text));
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("a list is good", () => {
  test.for([
    '{"data":[]}',
    '{"object":"list","data":[{"id":"a"}]}',
    ' {"data" : [ {"id":"a","x":1.0,"y":1e2} ] , "extra": {"deep":[null]} }\n',
    '{"data":[{"id":""}]}',
    '{"error":null,"data":[{"id":"a"}]}',
    `{"data":[{"id":"a","x":${nested(61)}}]}`,
    `{"data":[{"id":"a","x":"${"[{".repeat(500)}\\"${"[".repeat(500)}"}]}`,
    '{"data":[{"id":"a\\\\"},{"id":"\\"[[["}]}',
  ])("as it came, byte for byte: %s", (text) => {
    expect(textOf(check(text).bytes)).toBe(text);
    expect(check(text).dropped).toBe(0);
  });

  test("whose bytes begin with a mark, which is left out", () => {
    const text = '{"data":[{"id":"a"}]}';
    expect(textOf(check(`\uFEFF${text}`).bytes)).toBe(text);
    expect(check(`\uFEFF${text}`).bytes[0]).toBe(0x7b);
  });

  test("without its bad rows, which are counted; good ones and what is around them stay", () => {
    const bad = ["null", "5", '"a"', "[]", "{}", '{"id":5}', '{"id":null}', "true", '{"__proto__":{"id":"x"}}'];
    const { bytes, models, dropped } = check(
      `{"object":"list","data":[${bad.join()},{"id":"a","x":[1]},${bad.join()}],"more":1}`,
    );
    expect(dropped).toBe(2 * bad.length);
    expect(models).toEqual([{ id: "a", x: [1] }]);
    expect(textOf(bytes)).toBe('{"object":"list","data":[{"id":"a","x":[1]}],"more":1}');
  });

  // Each holds the model a, and bad rows beside it; what is named no must not be taken for a model.
  test.for([
    '{"x":{"data":[{"id":"no"},5]},"data":[5,{"id":"a"}]}',
    '{"data":[{"id":"no"}],"data":[5,{"id":"a"},null]}',
    '{"data":{"id":"no"},"data":[5,{"id":"a"}]}',
    '{"x":"\\"data\\":[{\\"id\\":\\"no\\"}]","data":[null,{"id":"a"}]}',
    '{"x":["data",[{"id":"no"}]],"data":[{"id":"a"},"data",[{"id":"no"}]]}',
    '{"d\\u0061ta":[5,{"id":"a"}],"da\\ta":[]}',
    '{"data" :\n[ 5 ,{"id":"a","data":[5,{"id":"no"}]} , "]" ] }',
    '{"data":[[{"id":"no"}],{"id":"a"},{"id":["no"]},-1.5e3,"},{",true]}',
  ])("without its bad rows, wherever else there are rows: %s", (text) => {
    const { bytes, models, dropped } = check(text);
    const before: { data: unknown[] } = JSON.parse(text);
    const after: { data: unknown[] } = JSON.parse(textOf(bytes));
    expect(models.map(({ id }) => id)).toEqual(["a"]);
    expect(dropped).toBe(before.data.length - 1);
    expect(after).toEqual({ ...before, data: models });
  });

  test("whose rows have names that mean something in JavaScript, which are names and nothing more", () => {
    const row =
      '{"id":"__proto__","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}';
    const { bytes, models } = check(`{"data":[${row},5]}`);
    expect(textOf(bytes)).toBe(`{"data":[${row}]}`);
    expect(Object.hasOwn(models[0] ?? {}, "__proto__")).toBe(true);
    expect({}).not.toHaveProperty("polluted");
    expect(JSON.stringify(models.map(basicModel))).toBe('[{"id":"__proto__"}]');
  });
});

describe("a list is refused", () => {
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
  ])("where it is %.40s: %s", ([text = "", why]) => {
    expect(() => check(text)).toThrow(new InvalidModelList(why));
  });

  test("where it is no UTF-8", () => {
    const bytes = bytesOf('{"data":[{"id":"a?"}]}').map((byte) => (byte === 0x3f ? 0xff : byte));
    expect(() => checkBytes(bytes)).toThrow("not JSON");
  });
});

describe("any bytes", () => {
  test("are a list or an InvalidCatalog whose message quotes nothing", () => {
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

  test("that were checked are read again to the same models, and are good", () => {
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

  const looked = async (msPerStretch: number) => {
    let [turns, time] = [0, 0];
    const now = () => (time += msPerStretch);
    const { rows } = await runCooperatively(scanRows(bytes), async () => void turns++, now);
    expect(rows.map(({ start, end }) => JSON.parse(textOf(bytes.subarray(start, end))))).toEqual(data);
    return turns;
  };

  test("rests at least each 40 KB, and no more than each 32", () => {
    const rests = [...scanRows(bytes)].length;
    expect(rests).toBeGreaterThanOrEqual(Math.floor(bytes.length / 40_000));
    expect(rests).toBeLessThanOrEqual(bytes.length / 32_768);
  });

  test("is looked through with others between when it takes its time, and at once when not", async () => {
    const rests = [...scanRows(bytes)].length;
    expect(await looked(2)).toBe(rests);
    expect(await looked(1)).toBe(Math.floor(rests / 2));
    expect(await looked(0)).toBe(0);
  });

  test("is refused when what is wrong with it stands far behind", async () => {
    const deep = bytesOf(`${textOf(bytes).slice(0, -2)},{"id":"a","x":${nested(80)}}]}`);
    await expect(runCooperatively(scanRows(deep), async () => {}, Date.now)).rejects.toThrow("nested too deep");
    expect(() => checkBytes(deep)).toThrow("nested too deep");
  });
});
