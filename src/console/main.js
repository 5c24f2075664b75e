import { BASE_URL, requestJson } from "./api.js";
import { noticeFor } from "./cache-status.js";
import { createChatPanel } from "./chat.js";
import { createElement, getElement } from "./dom.js";
import { createFilters } from "./filters.js";
import { formatCount, formatModelCount, formatTime } from "./format.js";
import { createHistory } from "./history.js";
import { parseModels } from "./models.js";
import { selectModels } from "./selection.js";
import { createSourceStrip } from "./source-strip.js";
import { createTable } from "./table.js";
import { createTabs } from "./tabs.js";
import { createToolPanel } from "./tool-panel.js";

/** @import { Model, RequestRecord } from "./types.d.ts" */

// Only the detailed list has prices and limits.
const LIST_PATH = "/detailed/v1/models";

/**
 * The page stores the key only in this variable.
 * @type {string | undefined}
 */
let key;
// Incremented with each change of the key: a response to a request of an earlier session is discarded.
let session = 0;
/** @type {readonly Model[]} */
let models = [];
/** When NanoGPT sent the list, in milliseconds since the epoch. */
let listDate = 0;

const [keyForm, keyInput] = [getElement("key-form", HTMLFormElement), getElement("key", HTMLInputElement)];
const [keyStatus, notice] = [getElement("stored", HTMLElement), getElement("notice", HTMLElement)];
const buttons = ["ask-again", "refresh", "forget"].map((id) => getElement(id, HTMLButtonElement));

/** @param {string} sentence */
function announce(sentence) {
  getElement("said", HTMLElement).textContent = sentence;
}

const [tabs, history, sourceStrip] = [createTabs(), createHistory(), createSourceStrip(Date.now)];
const [toolPanel, chat] = [createToolPanel(BASE_URL, announce), createChatPanel(() => key)];
const table = createTable({
  onSort: (column, isDescending) => filters.sort(column, isDescending),
  onTry(model) {
    tabs.open("try");
    chat.setModel(model.id);
    toolPanel.setModel(model.id);
  },
  announce,
});
const filters = createFilters(draw);

getElement("host", HTMLElement).textContent = BASE_URL.replace(/^https?:\/\//, "");
keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const entered = keyInput.value.trim();
  if (entered === "") return keyInput.focus();
  // The key must not stay readable in the field.
  keyInput.value = "";
  setKey(entered);
  void load("");
});
getElement("drop-key", HTMLElement).addEventListener("click", () => {
  setKey(undefined);
  keyInput.focus();
});
getElement("ask-again", HTMLElement).addEventListener("click", () => void load(""));
getElement("refresh", HTMLElement).addEventListener("click", () => void load("no-cache"));
getElement("forget", HTMLElement).addEventListener("click", () => void purge());

/** @param {string | undefined} entered */
function setKey(entered) {
  key = entered;
  session++;
  chat.clear();
  keyForm.hidden = key !== undefined;
  keyStatus.hidden = key === undefined;
  clearList();
  notice.hidden = true;
}

function clearList() {
  models = [];
  table.clear();
  chat.suggest([]);
  toolPanel.setModel(undefined);
  sourceStrip.hide();
  getElement("welcome", HTMLElement).hidden = key !== undefined;
  getElement("listed", HTMLElement).hidden = true;
  getElement("tab-count", HTMLElement).hidden = true;
}

/** @param {string} cacheControl */
async function load(cacheControl) {
  const [startedIn, record] = [session, await request("GET", cacheControl)];
  if (record === undefined || startedIn !== session) return;
  let list;
  try {
    list = record.status === 200 ? parseModels(record.body) : undefined;
  } catch {
    list = undefined;
  }
  if (list === undefined) return showFailure(record);
  notice.hidden = true;
  models = list;
  listDate = record.sentAt - (record.ageSeconds ?? 0) * 1000;
  if (record.cacheStatus?.detail === "upstream-failed") {
    showNotice("NanoGPT failed to answer", `${listDateNote()} Keylane serves it until NanoGPT answers again.`);
  }
  table.clear();
  draw();
  chat.suggest(models);
  toolPanel.setModel(models[0]?.id);
  sourceStrip.show(record);
  announce(formatModelCount(models.length));
  // A response that was just stored has no `ttl`. The stored list has one; `only-if-cached` never reaches NanoGPT.
  if (record.cacheStatus?.isStored !== true) return;
  const stored = await request("HEAD", "only-if-cached");
  if (startedIn === session && stored?.cacheStatus?.ttl !== undefined) sourceStrip.setTtl(stored.cacheStatus.ttl);
}

async function purge() {
  const [startedIn, record] = [session, await request("DELETE", "")];
  if (record === undefined || startedIn !== session) return;
  if (record.status !== 204) return showFailure(record);
  clearList();
  showNotice(
    "Forgotten",
    "Keylane holds no list for this key any more. The next request, of any tool, asks NanoGPT.",
    "calm",
  );
  const reload = createElement("button", "", "Show my list again");
  reload.type = "button";
  reload.addEventListener("click", () => void load(""));
  notice.append(reload);
  reload.focus();
}

/**
 * @param {string} method
 * @param {string} cacheControl
 * @returns {Promise<RequestRecord | undefined>}
 */
async function request(method, cacheControl) {
  if (key === undefined) return undefined;
  document.body.ariaBusy = "true";
  for (const button of buttons) button.disabled = true;
  const path = method === "DELETE" ? "/v1/models" : LIST_PATH;
  const record = await requestJson(path, key, { method, cacheControl });
  for (const button of buttons) button.disabled = false;
  document.body.ariaBusy = "false";
  history.add(record);
  return record;
}

/** @param {RequestRecord} record */
function showFailure({ status, body, retryAfterSeconds }) {
  const { title, text, isKeyRejected } = noticeFor(status, body, retryAfterSeconds, Date.now());
  if (isKeyRejected) setKey(undefined);
  showNotice(title, models.length === 0 ? text : `${text} ${listDateNote()}`);
  if (isKeyRejected) keyInput.focus();
}

function listDateNote() {
  return `The list below is the one of ${formatTime(listDate, Date.now())}, and may be out of date.`;
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} [tone]
 */
function showNotice(title, text, tone = "") {
  notice.className = `notice ${tone}`;
  notice.replaceChildren(createElement("strong", "", title), createElement("p", "", text));
  notice.hidden = false;
}

function draw() {
  const selected = selectModels(models, filters.selection);
  table.show(selected, filters.selection.column, filters.selection.isDescending);
  const all = formatModelCount(models.length);
  const isAll = selected.length === models.length;
  getElement("count", HTMLElement).textContent = isAll ? all : `${formatCount(selected.length)} of ${all}`;
  getElement("none", HTMLElement).hidden = selected.length > 0;
  getElement("welcome", HTMLElement).hidden = true;
  getElement("listed", HTMLElement).hidden = false;
  const badge = getElement("tab-count", HTMLElement);
  [badge.hidden, badge.textContent] = [false, formatCount(models.length)];
}
