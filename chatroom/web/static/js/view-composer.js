// Where messages are written: grows with the text, keeps a draft for each conversation.

import { $ } from "./dom.js";
import { number, onLanguage, t } from "./i18n.js";
import { onKeys } from "./keys.js";
import * as prefs from "./prefs.js";
import { clean } from "./text.js";
import { MAX_CONTENT, countCharacters } from "./wire.js";

/** So many characters before the limit it is mentioned. */
const WARNING = 200;
const MOST_DRAFTS = 50;
const SAVE_AFTER = 300;

export class ComposerView {
  #client;
  #said;
  #text = $("composer-text");
  #send = $("composer-send");
  #note = $("composer-note");
  #key = null;
  #drafts;
  #name;
  #timer = 0;

  /** `said()` is called when something was sent. */
  constructor(client, { signal, said }) {
    this.#client = client;
    this.#said = said;
    this.#name = `drafts:${client.me.userId}`;
    this.#drafts = new Map(prefs.get(this.#name) ?? []);
    const listen = (target, name, call) => target.addEventListener(name, call, { signal });
    listen(this.#text, "input", () => this.#changed());
    onKeys(this.#text, (event) => this.#pressed(event), { signal });
    listen($("composer"), "submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // A tap on the button is not to close the phone's keyboard.
    listen(this.#send, "pointerdown", (event) => event.preventDefault());
    listen(window, "pagehide", () => this.#save());
    // A name may become known while one writes to its number.
    const unlisten = [onLanguage(() => this.#label()), client.on("conversations", () => this.#label())];
    signal.addEventListener("abort", () => {
      for (const end of unlisten) end();
      clearTimeout(this.#timer);
      this.#text.value = "";
    });
  }

  show(key) {
    this.#key = key;
    this.#text.value = this.#drafts.get(key) ?? "";
    this.#label();
    this.#changed();
  }

  focus() {
    this.#text.focus();
  }

  #label() {
    if (this.#key === null) return;
    const { peer } = this.#client.conversation(this.#key);
    const name = peer === null ? t("lobby") : this.#client.people.nameOf(peer) || t("user", { id: peer });
    const label = t("compose", { name });
    if (this.#text.placeholder === label) return;
    this.#text.placeholder = label;
    this.#text.setAttribute("aria-label", label);
    this.#judge();
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.#submit();
  }

  #changed() {
    const { value, style } = this.#text;
    style.height = "auto";
    style.height = `${this.#text.scrollHeight}px`;
    style.overflowY = this.#text.scrollHeight > this.#text.clientHeight + 1 ? "auto" : "hidden";
    this.#drafts.delete(this.#key);
    if (value) this.#drafts.set(this.#key, value);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER);
    this.#judge();
  }

  #save() {
    prefs.set(this.#name, this.#drafts.size ? [...this.#drafts].slice(-MOST_DRAFTS) : null);
  }

  /** Says how much room is left; returns whether it can be sent. */
  #judge() {
    const text = clean(this.#text.value);
    const left = MAX_CONTENT - countCharacters(text);
    let note = "";
    if (left < 0) note = t("charactersOver", { count: number(-left) });
    else if (left <= WARNING) note = t("charactersLeft", { count: number(left) });
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#note.classList.toggle("over", left < 0);
    const can = text !== "" && left >= 0;
    this.#send.setAttribute("aria-disabled", String(!can));
    return can;
  }

  #submit() {
    if (!this.#judge()) return;
    if (!this.#client.say(this.#key, clean(this.#text.value))) {
      this.#note.textContent = t("queueFull");
      this.#note.classList.add("over");
      return;
    }
    this.#text.value = "";
    this.#changed();
    this.#save();
    this.#said();
  }
}
