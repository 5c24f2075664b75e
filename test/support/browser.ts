// Opens the console page in Chromium and records what it logs and requests.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { chromium, type Browser, type BrowserContext, type LaunchOptions, type Page } from "playwright-core";
import { afterAll, describe, expect, onTestFinished } from "vitest";
import { runtime, startKeylane, type Keylane } from "./keylane.ts";
import { startNanoGpt, type Account, type DetailedModel, type NanoGpt } from "./nanogpt/nanogpt.ts";
import { ACCOUNTS } from "./setup.ts";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const isInstalled = existsSync(EXECUTABLE);
if (!isInstalled) console.warn(`Skipped: tests that need Chromium, which is not at ${EXECUTABLE}.`);

/** `describe` for tests that need Chromium. Without Chromium they are skipped, unless CI=true. */
export const describeWithBrowser: typeof describe.only = describe.skipIf(!isInstalled && process.env["CI"] !== "true");

/** Launch options: Chromium sends no requests of its own. */
export const LAUNCH: LaunchOptions = {
  executablePath: EXECUTABLE,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

export interface Appearance {
  readonly width?: number;
  readonly scheme?: "light" | "dark";
}

/** An open page with its console messages and requests. */
export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Messages of the browser's console and uncaught errors. */
  readonly consoleMessages: string[];
  /** Every URL that the page requested. */
  readonly requestedUrls: string[];
}

let browser: Promise<Browser> | undefined;

/** Opens a URL in a new browser context, which is closed when the test ends. */
export async function openPage(url: string, { width = 1440, scheme = "light" }: Appearance = {}): Promise<OpenedPage> {
  browser ??= chromium.launch(LAUNCH);
  const height = width < 600 ? 844 : 900;
  const context = await (
    await browser
  ).newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
  onTestFinished(() => context.close());
  return recordPage(context, await context.newPage(), url);
}

/** Opens a URL in a given page and records its messages and requests. */
export async function recordPage(context: BrowserContext, page: Page, url: string): Promise<OpenedPage> {
  const opened: OpenedPage = { page, context, consoleMessages: [], requestedUrls: [] };
  page.on("console", (message) => opened.consoleMessages.push(message.text()));
  page.on("pageerror", (error) => opened.consoleMessages.push(error.message));
  page.on("request", (request) => opened.requestedUrls.push(request.url()));
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  return opened;
}

afterAll(async () => {
  await (await browser)?.close();
  browser = undefined;
});

/** Starts a stand-in for NanoGPT and Keylane in front of it; both stop when the test ends. */
export async function startServers(
  accounts: readonly Account[] = ACCOUNTS,
  models?: readonly DetailedModel[],
  settings: Record<string, string> = {},
): Promise<{ nano: NanoGpt; keylane: Keylane }> {
  const nano = await startNanoGpt({ accounts: [...accounts], models });
  const keylane = await startKeylane({ UPSTREAM_URL: nano.url, ...settings });
  onTestFinished(async () => {
    await keylane.stop();
    await nano.stop();
  });
  return { nano, keylane };
}

/** Types a key into the page, submits it and waits for the list or a notice. */
export async function enterKey({ page }: OpenedPage, key: string): Promise<void> {
  await page.fill("#key", key);
  await page.press("#key", "Enter");
  await page.waitForSelector("#rows .row, #notice:not([hidden])");
}

const SCREENSHOTS = new URL("../../screenshots/", import.meta.url).pathname;

/** Saves a screenshot of the page for review by people. */
export async function saveScreenshot({ page }: OpenedPage, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${runtime}-${name}.png` });
}

/** Waits until the text of an element equals a string or matches a pattern. */
export async function expectText({ page }: OpenedPage, selector: string, expected: RegExp | string): Promise<void> {
  const text = () => page.locator(selector).innerText();
  const polled = expect.poll(text, { timeout: 10_000, interval: 30 });
  await (typeof expected === "string" ? polled.toBe(expected) : polled.toMatch(expected));
}
