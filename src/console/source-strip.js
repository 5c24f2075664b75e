import { verdict } from "./cache-status.js";
import { factPairs, find } from "./dom.js";
import { clock, size, span, took } from "./format.js";

/** @import { Exchange } from "./types.d.ts" */

/**
 * Where the list on the page came from: a strip above it that counts on while the list ages.
 * @param {() => number} now milliseconds since the epoch
 */
export function originStrip(now) {
  const [strip, word] = [find("answer", HTMLElement), find("verdict-word", HTMLElement)];
  const [sentence, facts] = [find("verdict-text", HTMLElement), find("facts", HTMLElement)];
  /** @type {{ exchange: Exchange, ttl: number | undefined, models: number } | undefined} */
  let shown;

  function draw() {
    strip.hidden = shown === undefined;
    if (shown === undefined) return;
    const { exchange, ttl } = shown;
    const passed = Math.max(0, Math.floor((now() - exchange.at) / 1000));
    const left = ttl === undefined ? undefined : ttl - passed;
    const judged = verdict(exchange.cache, left);
    setText(word, judged.word);
    word.className = `pill ${judged.tone}`;
    setText(sentence, judged.sentence);
    facts.replaceChildren(
      ...factPairs([
        [
          "Age",
          exchange.age === undefined ? undefined : span(exchange.age + passed),
          `Asked at ${clock(exchange.at, now())}`,
        ],
        ["Fresh for", freshness(left), "Until then it is served without asking NanoGPT"],
        ["Body", bodyOf(exchange), codingOf(exchange)],
        [
          "Answered in",
          took(exchange.ms),
          "From this page’s question to the last byte, the browser’s own work included",
        ],
      ]),
    );
  }
  setInterval(draw, 1000);

  return {
    /**
     * @param {Exchange} exchange
     * @param {number} models
     */
    show(exchange, models) {
      shown = { exchange, ttl: exchange.cache?.ttl, models };
      draw();
    },
    /**
     * Learns how long a list is fresh that was just stored.
     * @param {number} ttl seconds
     */
    learn(ttl) {
      if (shown !== undefined) shown.ttl = ttl;
      draw();
    },
    hide() {
      shown = undefined;
      draw();
    },
  };
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number | undefined} left seconds */
function freshness(left) {
  if (left === undefined) return "–";
  return left > 0 ? `${span(left)} more` : `ended ${span(-left)} ago`;
}

/** @param {Exchange} exchange */
export function bodyOf({ wireBytes, bytes, coding }) {
  if (wireBytes === undefined || wireBytes === 0) return undefined;
  return coding === "identity" || bytes === undefined ? size(wireBytes) : `${size(wireBytes)} ${coding}`;
}

/** @param {Exchange} exchange */
function codingOf({ bytes }) {
  return bytes === undefined ? "" : `${size(bytes)} when decoded`;
}
