import { find, make } from "./dom.js";
import { clock, span, took } from "./format.js";
import { bodyOf } from "./source-strip.js";

/** @import { Exchange } from "./types.d.ts" */

const KEPT = 50;

/** The last requests of this page, in its memory alone. */
export function past() {
  const [rows, count] = [find("past-rows", HTMLElement), find("past-count", HTMLElement)];
  let made = 0;
  return {
    /** @param {Exchange} exchange */
    add(exchange) {
      made++;
      const { method, path, asked, at, ms, status, field, age } = exchange;
      const request = make("td", "", make("b", "", method), ` ${path}`);
      if (asked !== "") request.append(" ", make("span", "asked", asked));
      const isGood = status >= 200 && status < 400;
      rows.prepend(
        make(
          "tr",
          "",
          make("td", "", clock(at, at)),
          request,
          make(
            "td",
            "",
            make("span", `pill ${isGood ? "good" : "bad"}`, status === 0 ? "none" : String(status)),
          ),
          make("td", "mono", field === "" ? "–" : field.replace(/^keylane; /, "")),
          make("td", "number", age === undefined ? "–" : span(age)),
          make("td", "number", bodyOf(exchange) ?? "–"),
          make("td", "number", took(ms)),
        ),
      );
      while (rows.children.length > KEPT) rows.lastElementChild?.remove();
      count.hidden = false;
      count.textContent = String(made);
      find("past-none", HTMLElement).hidden = true;
    },
  };
}
