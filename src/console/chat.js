import { trouble, Troubled } from "./cache-status.js";
import { factPairs, find, make } from "./dom.js";
import { counted, took } from "./format.js";
import { chat, parsed, secondsOf } from "./api.js";
import { chatReader, pace } from "./sse.js";

/** @import { Model, Trouble } from "./types.d.ts" */

/**
 * One message to one model, and how fast the answer comes.
 * @param {() => string | undefined} keyOf
 */
export function chatPanel(keyOf) {
  const [form, model] = [find("chat", HTMLFormElement), find("chat-model", HTMLInputElement)];
  const [message, reply] = [find("chat-text", HTMLTextAreaElement), find("chat-reply", HTMLElement)];
  const [send, stop] = [find("chat-send", HTMLButtonElement), find("chat-stop", HTMLButtonElement)];
  const [facts, box] = [find("chat-facts", HTMLElement), find("chat-trouble", HTMLElement)];
  const state = find("chat-state", HTMLElement);
  let running = new AbortController();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });
  stop.addEventListener("click", () => running.abort());
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  async function run() {
    const key = keyOf();
    const id = model.value.trim();
    box.hidden = true;
    if (key === undefined)
      return fail({ title: "A key is needed first", text: "Enter it at the top of the page." });
    if (id === "") return fail({ title: "A model is needed", text: "Pick one, or type its id." });
    if (send.disabled) return;
    running = new AbortController();
    const { signal } = running;
    [send.disabled, stop.disabled, reply.hidden, facts.hidden] = [true, false, false, true];
    reply.replaceChildren();
    state.textContent = "Waiting for the reply";
    try {
      await stream(key, id, signal);
      state.textContent = "The reply is complete";
    } catch (fault) {
      state.textContent = signal.aborted ? "Stopped" : "The reply failed";
      if (signal.aborted) reply.append(make("p", "quiet", "Stopped: the call to NanoGPT was ended with it."));
      else fail(fault instanceof Troubled ? fault.trouble : CUT);
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
    const response = await chat(key, id, message.value, signal);
    if (!response.ok || response.body === null) {
      const said = parsed(await response.text());
      throw new Troubled(trouble(response.status, said, secondsOf(response, "retry-after"), Date.now()));
    }
    const [thought, text] = [make("p", "thought"), make("p", "said")];
    const { read } = chatReader();
    let [pieces, firstAt, lastAt] = [0, 0, 0];
    /** @type {number | undefined} */
    let tokens;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const piece of read(value)) {
        if (piece.error !== undefined) throw broken(piece.error);
        tokens = piece.tokens ?? tokens;
        if (piece.text + piece.thought === "") continue;
        lastAt = performance.now();
        if (pieces++ === 0) firstAt = lastAt;
        append(reply, thought, piece.thought);
        append(reply, text, piece.text);
      }
      if (pieces > 0) tell();
    }
    tell();

    function tell() {
      const speed = pace(tokens ?? pieces, firstAt, lastAt);
      const unit = tokens === undefined ? "pieces" : "tokens";
      facts.hidden = false;
      facts.replaceChildren(
        ...factPairs([
          ["First token", pieces === 0 ? "none came" : took(firstAt - startedAt)],
          ["Pace", speed === undefined ? "–" : `${speed.toFixed(1)} ${unit}/s`],
          ["Length", `${counted(tokens ?? pieces)} ${unit}`],
          ["In all", took((lastAt === 0 ? performance.now() : lastAt) - startedAt)],
        ]),
      );
    }
  }

  /** @param {Pick<Trouble, "title" | "text">} what */
  function fail({ title, text }) {
    box.replaceChildren(make("strong", "", title), make("p", "", text));
    box.hidden = false;
  }

  return {
    /** Ends the call under way, and leaves nothing of a reply. */
    forget() {
      running.abort();
      for (const part of [reply, facts, box]) {
        part.replaceChildren();
        part.hidden = true;
      }
    },
    /** @param {string} id */
    pick(id) {
      model.value = id;
      message.focus();
    },
    /**
     * Offers the ids of a list.
     * @param {readonly Model[]} models
     */
    offer(models) {
      const options = models.slice(0, OFFERED).map(({ id }) => {
        const option = make("option");
        option.value = id;
        return option;
      });
      find("chat-models", HTMLElement).replaceChildren(...options);
    },
  };
}

const OFFERED = 1000;
const CUT = {
  title: "The reply broke off",
  text: "The connection ended before the reply did. Send it again.",
};

/** @param {unknown} error what a stream said in place of a piece */
const broken = (error) => new Troubled(trouble(502, { error }, undefined, Date.now()));

/**
 * @param {HTMLElement} reply
 * @param {HTMLElement} part
 * @param {string} more
 */
function append(reply, part, more) {
  if (more === "") return;
  if (!part.isConnected) reply.append(part);
  part.append(more);
}
