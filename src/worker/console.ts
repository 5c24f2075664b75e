import answerCss from "../console/answer.css";
import answersJs from "../console/answers.js";
import chatJs from "../console/chat.js";
import elementsJs from "../console/elements.js";
import figuresJs from "../console/figures.js";
import filtersCss from "../console/filters.css";
import filtersJs from "../console/filters.js";
import indexHtml from "../console/index.html";
import keylaneJs from "../console/keylane.js";
import mainJs from "../console/main.js";
import modelsJs from "../console/models.js";
import narrowCss from "../console/narrow.css";
import originJs from "../console/origin.js";
import pageCss from "../console/page.css";
import panelsCss from "../console/panels.css";
import pastJs from "../console/past.js";
import selectionJs from "../console/selection.js";
import snippetsJs from "../console/snippets.js";
import streamJs from "../console/stream.js";
import tableCss from "../console/table.css";
import tableJs from "../console/table.js";
import tabsJs from "../console/tabs.js";
import toolsJs from "../console/tools.js";
import topCss from "../console/top.css";
import type { ConsoleFiles } from "../console.ts";

/** The files of the console page, bundled as texts: see the rules in wrangler.toml. */
export const consoleFiles: ConsoleFiles = new Map([
  ["answer.css", answerCss],
  ["answers.js", answersJs],
  ["chat.js", chatJs],
  ["elements.js", elementsJs],
  ["figures.js", figuresJs],
  ["filters.css", filtersCss],
  ["filters.js", filtersJs],
  ["index.html", indexHtml],
  ["keylane.js", keylaneJs],
  ["main.js", mainJs],
  ["models.js", modelsJs],
  ["narrow.css", narrowCss],
  ["origin.js", originJs],
  ["page.css", pageCss],
  ["panels.css", panelsCss],
  ["past.js", pastJs],
  ["selection.js", selectionJs],
  ["snippets.js", snippetsJs],
  ["stream.js", streamJs],
  ["table.css", tableCss],
  ["table.js", tableJs],
  ["tabs.js", tabsJs],
  ["tools.js", toolsJs],
  ["top.css", topCss],
]);
