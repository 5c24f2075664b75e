import { noticeFor, NoticeError } from "./cache-status.js";
import { createElement, createFacts, getElement } from "./dom.js";
import { formatCount, formatMs } from "./format.js";
import { parseJson, secondsHeader, sendChat } from "./api.js";
import { createChatReader, tokensPerSecond } from "./sse.js";

/** @import { Model, Notice } from "./types.d.ts" */

/**
 * Creates the panel that sends one message to one model and measures the speed of the reply.
 * @param {() => string | undefined} getKey
 */
export function createChatPanel(getKey) {
  const [form, model] = [getElement("chat", HTMLFormElement), getElement("chat-model", HTMLInputElement)];
  const [message, reply] = [getElement("chat-text", HTMLTextAreaElement), getElement("chat-reply", HTMLElement)];
  const [send, stop] = [getElement("chat-send", HTMLButtonElement), getElement("chat-stop", HTMLButtonElement)];
  const [facts, notice] = [getElement("chat-facts", HTMLElement), getElement("chat-notice", HTMLElement)];
  const state = getElement("chat-state", HTMLElement);
  let controller = new AbortController();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  stop.addEventListener("click", () => controller.abort());
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  async function submit() {
    const key = getKey();
    const id = model.value.trim();
    notice.hidden = true;
    if (key === undefined)
      return showNotice({ title: "A key is needed first", text: "Enter it at the top of the page." });
    if (id === "") return showNotice({ title: "A model is needed", text: "Pick one, or type its id." });
    if (send.disabled) return;
    controller = new AbortController();
    const { signal } = controller;
    [send.disabled, stop.disabled, reply.hidden, facts.hidden] = [true, false, false, true];
    reply.replaceChildren();
    state.textContent = "Waiting for the reply";
    try {
      await stream(key, id, signal);
      state.textContent = "The reply is complete";
    } catch (error) {
      state.textContent = signal.aborted ? "Stopped" : "The reply failed";
      if (signal.aborted) reply.append(createElement("p", "quiet", "Stopped: the call to NanoGPT was ended with it."));
      else showNotice(error instanceof NoticeError ? error.notice : CONNECTION_LOST);
    } finally {
      [send.disabled, stop.disabled] = [false, true];
      reply.hidden = reply.childElementCount === 0;
    }
  }

  /**
   * @param {string} key
   * @param {string} id
   * @param {AbortSignal} signal
   */
  async function stream(key, id, signal) {
    const startedAt = performance.now();
    const response = await sendChat(key, id, message.value, signal);
    if (!response.ok || response.body === null) {
      const body = parseJson(await response.text());
      const retryAfter = secondsHeader(response, "retry-after");
      throw new NoticeError(noticeFor(response.status, body, retryAfter, Date.now()));
    }
    const [reasoning, text] = [createElement("p", "thought"), createElement("p", "said")];
    const { read } = createChatReader();
    let [deltas, firstAt, lastAt] = [0, 0, 0];
    /** @type {number | undefined} */
    let tokens;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const delta of read(value)) {
        if (delta.error !== undefined) throw streamError(delta.error);
        tokens = delta.tokens ?? tokens;
        if (delta.text + delta.reasoning === "") continue;
        lastAt = performance.now();
        if (deltas++ === 0) firstAt = lastAt;
        append(reply, reasoning, delta.reasoning);
        append(reply, text, delta.text);
      }
      if (deltas > 0) showSpeed();
    }
    showSpeed();

    function showSpeed() {
      const speed = tokensPerSecond(tokens ?? deltas, firstAt, lastAt);
      const unit = tokens === undefined ? "pieces" : "tokens";
      facts.hidden = false;
      facts.replaceChildren(
        ...createFacts([
          ["First token", deltas === 0 ? "none came" : formatMs(firstAt - startedAt)],
          ["Pace", speed === undefined ? "–" : `${speed.toFixed(1)} ${unit}/s`],
          ["Length", `${formatCount(tokens ?? deltas)} ${unit}`],
          ["In all", formatMs((lastAt === 0 ? performance.now() : lastAt) - startedAt)],
        ]),
      );
    }
  }

  /** @param {Pick<Notice, "title" | "text">} notice */
  function showNotice({ title, text }) {
    notice.replaceChildren(createElement("strong", "", title), createElement("p", "", text));
    notice.hidden = false;
  }

  return {
    /** Aborts the current request and removes everything of its reply. */
    clear() {
      controller.abort();
      for (const part of [reply, facts, notice]) {
        part.replaceChildren();
        part.hidden = true;
      }
    },
    /** @param {string} id */
    setModel(id) {
      model.value = id;
      message.focus();
    },
    /**
     * Sets the model ids that the input suggests.
     * @param {readonly Model[]} models
     */
    suggest(models) {
      const options = models.slice(0, MAX_SUGGESTIONS).map(({ id }) => {
        const option = createElement("option");
        option.value = id;
        return option;
      });
      getElement("chat-models", HTMLElement).replaceChildren(...options);
    },
  };
}

const MAX_SUGGESTIONS = 1000;
const CONNECTION_LOST = {
  title: "The reply broke off",
  text: "The connection ended before the reply did. Send it again.",
};

/** @param {unknown} error the `error` member of a chunk */
const streamError = (error) => new NoticeError(noticeFor(502, { error }, undefined, Date.now()));

/**
 * @param {HTMLElement} reply
 * @param {HTMLElement} paragraph
 * @param {string} text
 */
function append(reply, paragraph, text) {
  if (text === "") return;
  if (!paragraph.isConnected) reply.append(paragraph);
  paragraph.append(text);
}
