import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { chromium, type Browser, type BrowserContext, type LaunchOptions, type Page } from "playwright-core";
import { afterAll, describe, expect, onTestFinished } from "vitest";
import { runtime, startKeylane, type Keylane } from "./keylane.ts";
import { startNanoGpt, type Account, type DetailedModel, type NanoGpt } from "./nanogpt/nanogpt.ts";
import { ACCOUNTS } from "./setup.ts";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const isHere = existsSync(EXECUTABLE);
if (!isHere) console.warn(`Skipped: tests that need Chromium, which is not at ${EXECUTABLE}.`);

/** `describe` for what needs Chromium: skipped where there is none, unless CI=true says that it has to be there. */
export const describeWithBrowser: typeof describe.only = describe.skipIf(
  !isHere && process.env["CI"] !== "true",
);

/** How Chromium is started: it asks nobody but the page's own host. */
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

export interface Looks {
  readonly width?: number;
  readonly scheme?: "light" | "dark";
}

/** A page that has been opened, and all it said and asked. */
export interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What stood in the browser's console, and what was thrown and not caught. */
  readonly complaints: string[];
  /** Every URL asked for. */
  readonly asked: string[];
}

let browser: Promise<Browser> | undefined;

/** Opens a URL in a context of its own, which is closed when the test ends. */
export async function open(url: string, { width = 1440, scheme = "light" }: Looks = {}): Promise<Opened> {
  browser ??= chromium.launch(LAUNCH);
  const height = width < 600 ? 844 : 900;
  const context = await (
    await browser
  ).newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
  onTestFinished(() => context.close());
  return watched(context, await context.newPage(), url);
}

/** Opens a URL on a page, and listens. */
export async function watched(context: BrowserContext, page: Page, url: string): Promise<Opened> {
  const opened: Opened = { page, context, complaints: [], asked: [] };
  page.on("console", (message) => opened.complaints.push(message.text()));
  page.on("pageerror", (error) => opened.complaints.push(error.message));
  page.on("request", (request) => opened.asked.push(request.url()));
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  return opened;
}

afterAll(async () => {
  await (await browser)?.close();
  browser = undefined;
});

/** Starts a stand-in and Keylane before it, for a page to look at. */
export async function behind(
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

/** Gives the page a key, as a person does, and waits for its list. */
export async function enter({ page }: Opened, key: string): Promise<void> {
  await page.fill("#key", key);
  await page.press("#key", "Enter");
  await page.waitForSelector("#rows .row, #trouble:not([hidden])");
}

const SCREENSHOTS = new URL("../../screenshots/", import.meta.url).pathname;

/** Keeps a picture of a page, for people to look at. */
export async function keepPicture({ page }: Opened, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${runtime}-${name}.png` });
}

/** The text of an element, once it matches. */
export async function says({ page }: Opened, selector: string, wanted: RegExp | string): Promise<void> {
  const found = () => page.locator(selector).innerText();
  const polled = expect.poll(found, { timeout: 10_000, interval: 30 });
  await (typeof wanted === "string" ? polled.toBe(wanted) : polled.toMatch(wanted));
}
