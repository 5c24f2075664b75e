import { trouble } from "./cache-status.js";
import { chatPanel } from "./chat.js";
import { find, make } from "./dom.js";
import { clock, counted, modelCount } from "./format.js";
import { filters } from "./filters.js";
import { ask, BASE } from "./api.js";
import { modelsOf } from "./models.js";
import { originStrip } from "./source-strip.js";
import { past } from "./history.js";
import { selected } from "./selection.js";
import { table } from "./table.js";
import { tabs } from "./tabs.js";
import { toolPanel } from "./tool-panel.js";

/** @import { Exchange, Model } from "./types.d.ts" */

// Prices and limits are in the detailed list alone.
const LIST = "/detailed/v1/models";

/**
 * The key, in this variable and nowhere else; and a number that tells an answer of an earlier key.
 * @type {string | undefined}
 */
let key;
let turn = 0;
/** @type {readonly Model[]} */
let models = [];
let listedAt = 0;

const [keyForm, keyInput] = [find("key-form", HTMLFormElement), find("key", HTMLInputElement)];
const [held, troubleBox] = [find("held", HTMLElement), find("trouble", HTMLElement)];
const buttons = ["ask-again", "refresh", "forget"].map((id) => find(id, HTMLButtonElement));

/** @param {string} sentence */
function say(sentence) {
  find("said", HTMLElement).textContent = sentence;
}

const [panels, history, origin] = [tabs(), past(), originStrip(Date.now)];
const [snippets, chat] = [toolPanel(BASE, say), chatPanel(() => key)];
const grid = table({
  onSort: (column, isDescending) => choice.sort(column, isDescending),
  onTry(model) {
    panels.open("try");
    chat.pick(model.id);
    snippets.use(model.id);
  },
  say,
});
const choice = filters(draw);

find("host", HTMLElement).textContent = BASE.replace(/^https?:\/\//, "");
keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const entered = keyInput.value.trim();
  if (entered === "") return keyInput.focus();
  // What is not in the field cannot be read from it.
  keyInput.value = "";
  takeKey(entered);
  void load("");
});
find("drop-key", HTMLElement).addEventListener("click", () => {
  takeKey(undefined);
  keyInput.focus();
});
find("ask-again", HTMLElement).addEventListener("click", () => void load(""));
find("refresh", HTMLElement).addEventListener("click", () => void load("no-cache"));
find("forget", HTMLElement).addEventListener("click", () => void forget());

/** @param {string | undefined} entered */
function takeKey(entered) {
  key = entered;
  turn++;
  chat.forget();
  keyForm.hidden = key !== undefined;
  held.hidden = key === undefined;
  clearList();
  troubleBox.hidden = true;
}

function clearList() {
  models = [];
  grid.forget();
  chat.offer([]);
  snippets.use(undefined);
  origin.hide();
  find("welcome", HTMLElement).hidden = key !== undefined;
  find("listed", HTMLElement).hidden = true;
  find("tab-count", HTMLElement).hidden = true;
}

/** @param {string} cacheControl */
async function load(cacheControl) {
  const [mine, exchange] = [turn, await asked("GET", cacheControl)];
  if (exchange === undefined || mine !== turn) return;
  let found;
  try {
    found = exchange.status === 200 ? modelsOf(exchange.body) : undefined;
  } catch {
    found = undefined;
  }
  if (found === undefined) return showTrouble(exchange);
  troubleBox.hidden = true;
  models = found;
  listedAt = exchange.at - (exchange.age ?? 0) * 1000;
  if (exchange.cache?.detail === "upstream-failed") {
    tell("NanoGPT did not answer well", `${whatIsShown()} Keylane serves it until NanoGPT is well again.`);
  }
  grid.forget();
  draw();
  chat.offer(models);
  snippets.use(models[0]?.id);
  origin.show(exchange, models.length);
  say(modelCount(models.length));
  // How long a new list is fresh only a look at what is held can tell; it asks nobody else.
  if (exchange.cache?.isStored !== true) return;
  const look = await asked("HEAD", "only-if-cached");
  if (mine === turn && look?.cache?.ttl !== undefined) origin.learn(look.cache.ttl);
}

async function forget() {
  const [mine, exchange] = [turn, await asked("DELETE", "")];
  if (exchange === undefined || mine !== turn) return;
  if (exchange.status !== 204) return showTrouble(exchange);
  clearList();
  tell(
    "Forgotten",
    "Keylane holds no list for this key any more. The next request, of any tool, asks NanoGPT.",
    "calm",
  );
  const again = make("button", "", "Show my list again");
  again.type = "button";
  again.addEventListener("click", () => void load(""));
  troubleBox.append(again);
  again.focus();
}

/**
 * @param {string} method
 * @param {string} cacheControl
 * @returns {Promise<Exchange | undefined>}
 */
async function asked(method, cacheControl) {
  if (key === undefined) return undefined;
  document.body.ariaBusy = "true";
  for (const button of buttons) button.disabled = true;
  const exchange = await ask(method === "DELETE" ? "/v1/models" : LIST, key, { method, cacheControl });
  for (const button of buttons) button.disabled = false;
  document.body.ariaBusy = "false";
  history.add(exchange);
  return exchange;
}

/** @param {Exchange} exchange */
function showTrouble({ status, body, retryAfter }) {
  const { title, text, isOfKey } = trouble(status, body, retryAfter, Date.now());
  if (isOfKey) takeKey(undefined);
  tell(title, models.length === 0 ? text : `${text} ${whatIsShown()}`);
  if (isOfKey) keyInput.focus();
}

function whatIsShown() {
  return `The list below is the one of ${clock(listedAt, Date.now())}, and may be out of date.`;
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} [tone]
 */
function tell(title, text, tone = "") {
  troubleBox.className = `trouble ${tone}`;
  troubleBox.replaceChildren(make("strong", "", title), make("p", "", text));
  troubleBox.hidden = false;
}

function draw() {
  const chosen = selected(models, choice.selection);
  grid.show(chosen, choice.selection.column, choice.selection.isDescending);
  const all = counted(models.length);
  const isAll = chosen.length === models.length;
  find("count", HTMLElement).textContent = isAll
    ? modelCount(models.length)
    : `${counted(chosen.length)} of ${modelCount(models.length)}`;
  find("none", HTMLElement).hidden = chosen.length > 0;
  find("welcome", HTMLElement).hidden = true;
  find("listed", HTMLElement).hidden = false;
  const badge = find("tab-count", HTMLElement);
  [badge.hidden, badge.textContent] = [false, all];
}
