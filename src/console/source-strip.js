import { describeSource } from "./cache-status.js";
import { createFacts, getElement } from "./dom.js";
import { formatBytes, formatMs, formatSeconds, formatTime } from "./format.js";

/** @import { RequestRecord } from "./types.d.ts" */

/**
 * Creates the strip above the list that says where it came from, updated every second as the list ages.
 * @param {() => number} now milliseconds since the epoch
 */
export function createSourceStrip(now) {
  const [strip, label] = [getElement("answer", HTMLElement), getElement("verdict-label", HTMLElement)];
  const [sentence, facts] = [getElement("verdict-text", HTMLElement), getElement("facts", HTMLElement)];
  /** @type {{ record: RequestRecord, ttl: number | undefined } | undefined} */
  let shown;

  function draw() {
    strip.hidden = shown === undefined;
    if (shown === undefined) return;
    const { record, ttl } = shown;
    const elapsed = Math.max(0, Math.floor((now() - record.sentAt) / 1000));
    const ttlLeft = ttl === undefined ? undefined : ttl - elapsed;
    const verdict = describeSource(record.cacheStatus, ttlLeft);
    setText(label, verdict.label);
    label.className = `pill ${verdict.tone}`;
    setText(sentence, verdict.sentence);
    facts.replaceChildren(
      ...createFacts([
        [
          "Age",
          record.ageSeconds === undefined ? undefined : formatSeconds(record.ageSeconds + elapsed),
          `Asked at ${formatTime(record.sentAt, now())}`,
        ],
        ["Fresh for", formatFreshness(ttlLeft), "Until then it is served without asking NanoGPT"],
        ["Body", formatBody(record), decodedSizeTooltip(record)],
        [
          "Answered in",
          formatMs(record.durationMs),
          "From this page’s question to the last byte, the browser’s own work included",
        ],
      ]),
    );
  }
  setInterval(draw, 1000);

  return {
    /** @param {RequestRecord} record */
    show(record) {
      shown = { record, ttl: record.cacheStatus?.ttl };
      draw();
    },
    /**
     * Sets the freshness of a newly stored list, which its own response does not state.
     * @param {number} ttl seconds
     */
    setTtl(ttl) {
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

/** @param {number | undefined} ttlLeft seconds */
function formatFreshness(ttlLeft) {
  if (ttlLeft === undefined) return "–";
  return ttlLeft > 0 ? `${formatSeconds(ttlLeft)} more` : `ended ${formatSeconds(-ttlLeft)} ago`;
}

/** @param {RequestRecord} record */
export function formatBody({ encodedBytes, decodedBytes, coding }) {
  if (encodedBytes === undefined || encodedBytes === 0) return undefined;
  const size = formatBytes(encodedBytes);
  return coding === "identity" || decodedBytes === undefined ? size : `${size} ${coding}`;
}

/** @param {RequestRecord} record */
function decodedSizeTooltip({ decodedBytes }) {
  return decodedBytes === undefined ? "" : `${formatBytes(decodedBytes)} when decoded`;
}
