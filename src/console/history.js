import { createElement, getElement } from "./dom.js";
import { formatMs, formatSeconds, formatTime } from "./format.js";
import { formatBody } from "./source-strip.js";

/** @import { RequestRecord } from "./types.d.ts" */

const MAX_ROWS = 50;

/** Creates the table of this page's last requests, in memory only. */
export function createHistory() {
  const [rows, count] = [getElement("past-rows", HTMLElement), getElement("past-count", HTMLElement)];
  let requestCount = 0;
  return {
    /** @param {RequestRecord} record */
    add(record) {
      requestCount++;
      const { method, path, cacheControl, sentAt, durationMs, status, cacheStatusHeader, ageSeconds } = record;
      const request = createElement("td", "", createElement("b", "", method), ` ${path}`);
      if (cacheControl !== "") request.append(" ", createElement("span", "asked", cacheControl));
      const tone = status >= 200 && status < 400 ? "good" : "bad";
      const statusPill = createElement("span", `pill ${tone}`, status === 0 ? "none" : String(status));
      const cacheStatus = cacheStatusHeader === "" ? "–" : cacheStatusHeader.replace(/^keylane; /, "");
      rows.prepend(
        createElement(
          "tr",
          "",
          createElement("td", "", formatTime(sentAt, sentAt)),
          request,
          createElement("td", "", statusPill),
          createElement("td", "mono", cacheStatus),
          createElement("td", "number", ageSeconds === undefined ? "–" : formatSeconds(ageSeconds)),
          createElement("td", "number", formatBody(record) ?? "–"),
          createElement("td", "number", formatMs(durationMs)),
        ),
      );
      while (rows.children.length > MAX_ROWS) rows.lastElementChild?.remove();
      count.hidden = false;
      count.textContent = String(requestCount);
      getElement("past-none", HTMLElement).hidden = true;
    },
  };
}
