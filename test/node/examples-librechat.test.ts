// LibreChat accepts the example and the README's snippet, and Keylane serves the base URL that they name.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configSchema } from "librechat-data-provider";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { composeFiles, root } from "../support/compose.ts";
import { plainCall } from "../support/plain-call.ts";
import { ACCOUNTS, ALICE, setup } from "../support/setup.ts";

const example = readFileSync(join(root, "examples/librechat/librechat.yaml"), "utf8");
const [, snippet = ""] = /```yaml\n(endpoints:.*?)```/s.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];

// LibreChat validates its file with this schema, made strict.
const read = (text: string) => configSchema.strict().safeParse(parse(text));

describe.each([
  ["examples/librechat/librechat.yaml", example, "http://keylane:8787/v1"],
  ["the README's snippet for librechat.yaml", `version: 1.3.5\n${snippet}`, "http://host.docker.internal:8787/v1"],
])("%s", (_, text, baseURL) => {
  test("is accepted by LibreChat: one endpoint that fetches its models with each user's key", () => {
    const { error, data } = read(text);
    expect(error).toBeUndefined();
    expect(data?.endpoints?.custom).toMatchObject([
      { name: "NanoGPT", apiKey: "user_provided", baseURL, models: { fetch: true } },
    ]);
  });

  test("names a base URL at which Keylane serves the user's own list", async () => {
    const { keylane } = await setup();
    const url = keylane.url + new URL(`${baseURL}/models`).pathname;
    const { status, text: body } = await plainCall(url, { fields: `Authorization: Bearer ${ALICE}` });
    expect(status).toBe(200);
    const ids = (JSON.parse(body) as { data: { id: string }[] }).data.map(({ id }) => id);
    expect(ids.sort()).toEqual([...(ACCOUNTS[0]?.visible ?? [])].sort());
  });
});

test("LibreChat's schema rejects unknown fields and wrong types", () => {
  expect(read(example.replace("endpoints:", "endpoint:")).success).toBe(false);
  expect(read(example.replace("fetch: true", "fetch: often")).success).toBe(false);
});

test("the compose file starts the Keylane that librechat.yaml names, and mounts it where LibreChat looks", () => {
  const services = composeFiles.find(({ file }) => file.includes("librechat"))?.services ?? {};
  expect(Object.keys(services)).toContain("keylane");
  expect(services["librechat"]?.volumes).toContain("./librechat.yaml:/app/librechat.yaml:ro");
});
