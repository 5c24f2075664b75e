import { parseSettings, type Settings } from "../../src/config/settings.ts";
import { jsonLogger } from "../../src/observability/log.ts";
import { startErrorMessage } from "../../src/cli/start-error.ts";
import { start } from "../../src/node/start.ts";
import type { RunningServer } from "../../src/node/server.ts";
import { startNanoGpt } from "./nanogpt/nanogpt.ts";

// `npm run demo`: a NanoGPT stand-in and a Keylane in front of it; needs neither an account nor a network.

const ALICE = "demo-alice";
const BOB = "demo-bob";
const HIDDEN = "openai/gpt-4-turbo";

const nano = await startNanoGpt({
  accounts: [
    { key: ALICE },
    { key: BOB, visible: [HIDDEN, "NousResearch/hermes-4-70b", "anthropic/claude-sonnet-latest"] },
  ],
});
const keylane = await startKeylane();
const base = `${keylane.url}/v1`;
const toggle = `curl -s -X POST '${nano.origin}/toggle?key=${ALICE}&model=${encodeURIComponent(HIDDEN)}&visible=false'; echo`;

process.stdout.write(`
A NanoGPT stand-in with ${nano.models.length} models answers at ${nano.url}
Keylane answers at ${base}
Its console page is at ${keylane.url}/ (keys: ${ALICE}, ${BOB})

1. Alice's list, asked of NanoGPT (Cache-Status says fwd=uri-miss):

curl -si ${base}/models -H 'Authorization: Bearer ${ALICE}' | head -c 800

2. The same again, from the cache (Cache-Status says hit):

curl -si ${base}/models -H 'Authorization: Bearer ${ALICE}' | head -c 800

3. A streamed chat through the same base URL:

curl -sN ${base}/chat/completions -H 'Authorization: Bearer ${ALICE}' -H 'Content-Type: application/json' -d '{"model":"${HIDDEN}","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

More to try: Bob sees three models with the key ${BOB}. Hide one of Alice's models, and a second later
ask for her list again (the last line counts the model: 1 before, 0 after):

${toggle}
sleep 1; curl -s ${base}/models -H 'Authorization: Bearer ${ALICE}' -H 'Cache-Control: no-cache' | grep -o '"${HIDDEN}"' | wc -l

Ctrl-C stops both.
`);

process.once("SIGINT", () => void stop());
process.once("SIGTERM", () => void stop());

async function startKeylane(): Promise<RunningServer> {
  let settings: Settings | undefined;
  try {
    // Without a log line per request, the text above stays in sight; LOG_LEVEL=info adds them.
    const env = { LOG_LEVEL: "warn", ...process.env, UPSTREAM_URL: nano.url, PASSTHROUGH_URL: nano.url };
    settings = parseSettings(env);
    return await start(settings, { log: jsonLogger(settings.logLevel, Date.now, (line) => console.error(line)) });
  } catch (error) {
    await nano.stop();
    console.error(startErrorMessage(error, settings) ?? error);
    return process.exit(1);
  }
}

async function stop(): Promise<void> {
  await keylane.stop();
  await nano.stop();
}
