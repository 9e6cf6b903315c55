// The field to write messages in: it grows with the text, and keeps a draft for each conversation.

import { clean } from "../base/text.js";
import { MAX_CONTENT, countCharacters } from "../base/wire.js";
import { $, later } from "../browser/dom.js";
import { number, onLanguage, t } from "../browser/i18n.js";
import { onKeys } from "../browser/keys.js";

/** The limit is shown from this many characters before it. */
const WARNING = 200;
const SAVE_AFTER = 300;

export class ComposerView {
  #client;
  #said;
  #text = $("composer-text");
  #send = $("composer-send");
  #note = $("composer-note");
  #key = null;
  #drafts;
  #saving;

  /** `said()` is called when a message was sent. */
  constructor(client, { signal, said }) {
    this.#client = client;
    this.#said = said;
    this.#drafts = client.drafts;
    this.#saving = later(() => this.#save(), SAVE_AFTER, signal);
    const listen = (target, name, call) => target.addEventListener(name, call, { signal });
    listen(this.#text, "input", () => {
      this.#saving.soon();
      this.#changed();
    });
    onKeys(this.#text, (event) => this.#pressed(event), { signal });
    listen($("composer"), "submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // A tap on the button must not close the phone's keyboard.
    listen(this.#send, "pointerdown", (event) => event.preventDefault());
    // A page that slept has missed what other tabs did.
    for (const name of ["pageshow", "focus"]) listen(window, name, () => this.#refresh());
    // A person's name may become known while one writes to their number.
    const unlisten = [onLanguage(() => this.#label()), client.on("conversations", () => this.#label())];
    unlisten.push(this.#drafts.on("changed", (key) => key === this.#key && this.#refresh()));
    signal.addEventListener("abort", () => {
      for (const end of unlisten) end();
      this.#text.value = "";
    });
  }

  show(key) {
    this.#saving.now();
    this.#key = key;
    this.#refresh();
    this.#label();
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
    this.#changed();
  }

  #pressed(event) {
    if (event.key === "ArrowUp" && !this.#text.value) this.#recall(event);
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.#submit();
  }

  /** The last message sent, to be sent again or corrected. */
  #recall(event) {
    const said = this.#client.outbox.of(this.#key).at(-1)?.text ??
      this.#client.conversation(this.#key).messages.findLast(({ own }) => own)?.content;
    if (!said || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#text.value = said;
    this.#saving.soon();
    this.#changed();
  }

  #changed() {
    // An invisible copy of the text gives the field its height, so that nothing has to be measured.
    this.#text.parentNode.dataset.text = this.#text.value;
    this.#judge();
  }

  #save() {
    this.#drafts.keep(this.#key, this.#text.value);
  }

  /** Shows text that was written in another tab, unless it is just being written here, which is newer. */
  #refresh() {
    this.#saving.now();
    const text = this.#drafts.of(this.#key);
    if (this.#text.value !== text) this.#text.value = text;
    this.#changed();
  }

  /** Shows how many characters are left; returns whether the text can be sent. */
  #judge() {
    const text = clean(this.#text.value);
    const left = MAX_CONTENT - countCharacters(text);
    let note = "";
    if (left < 0) note = t("charactersOver", { count: number(-left) });
    else if (left <= WARNING) note = t("charactersLeft", { count: number(left) });
    else if (!this.#drafts.isKept(this.#key)) note = t("draftUnkept");
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
    this.#save();
    this.#said();
  }
}
