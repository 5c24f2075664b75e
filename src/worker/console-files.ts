import answerCss from "../console/answer.css";
import apiJs from "../console/api.js";
import cacheStatusJs from "../console/cache-status.js";
import chatJs from "../console/chat.js";
import domJs from "../console/dom.js";
import filtersCss from "../console/filters.css";
import filtersJs from "../console/filters.js";
import formatJs from "../console/format.js";
import historyJs from "../console/history.js";
import indexHtml from "../console/index.html";
import mainJs from "../console/main.js";
import modelsJs from "../console/models.js";
import narrowCss from "../console/narrow.css";
import pageCss from "../console/page.css";
import panelsCss from "../console/panels.css";
import selectionJs from "../console/selection.js";
import snippetsJs from "../console/snippets.js";
import sourceStripJs from "../console/source-strip.js";
import sseJs from "../console/sse.js";
import tableCss from "../console/table.css";
import tableJs from "../console/table.js";
import tabsJs from "../console/tabs.js";
import toolPanelJs from "../console/tool-panel.js";
import topCss from "../console/top.css";
import type { ConsoleFiles } from "../routes/console.ts";

/** The files of the console page, bundled as text: see the rules in wrangler.toml. */
export const consoleFiles: ConsoleFiles = new Map([
  ["answer.css", answerCss],
  ["api.js", apiJs],
  ["cache-status.js", cacheStatusJs],
  ["chat.js", chatJs],
  ["dom.js", domJs],
  ["filters.css", filtersCss],
  ["filters.js", filtersJs],
  ["format.js", formatJs],
  ["history.js", historyJs],
  ["index.html", indexHtml],
  ["main.js", mainJs],
  ["models.js", modelsJs],
  ["narrow.css", narrowCss],
  ["page.css", pageCss],
  ["panels.css", panelsCss],
  ["selection.js", selectionJs],
  ["snippets.js", snippetsJs],
  ["source-strip.js", sourceStripJs],
  ["sse.js", sseJs],
  ["table.css", tableCss],
  ["table.js", tableJs],
  ["tabs.js", tabsJs],
  ["tool-panel.js", toolPanelJs],
  ["top.css", topCss],
]);
