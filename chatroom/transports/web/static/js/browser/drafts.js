// What was begun and not sent: one text for each conversation, the same in all tabs. No DOM.

import { Events } from "../base/events.js";

/** Emits "changed" (the conversation's key) when it was changed here or in another tab. */
export class Drafts extends Events {
  #store;
  #prefix;

  /** `store` is `prefs`, or the like of it. */
  constructor(store, userId) {
    super();
    this.#store = store;
    this.#prefix = `draft:${userId}:`;
  }

  /** Begins to hear of other tabs; returns what ends it. */
  start() {
    return this.#store.watch(this.#prefix, (_, name) => this.emit("changed", name.slice(this.#prefix.length)));
  }

  /** An empty string where there is none. */
  of(key) {
    return this.#store.get(this.#prefix + key) ?? "";
  }

  keys() {
    return this.#store.names(this.#prefix).map((name) => name.slice(this.#prefix.length));
  }

  /** False where it won't outlive the page. */
  keep(key, text) {
    const done = this.#store.set(this.#prefix + key, text || null);
    this.emit("changed", key);
    return done;
  }

  isKept(key) {
    return this.#store.kept(this.#prefix + key);
  }
}
