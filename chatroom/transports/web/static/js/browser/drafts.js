// Drafts, texts that are not sent yet: one for each conversation, the same in all tabs. No DOM.

import { Events } from "../base/events.js";

/** Emits "changed" (the conversation's key) when a draft was changed here or in another tab. */
export class Drafts extends Events {
  #store;
  #prefix;

  /** `store` is `prefs`, or something with the same methods. */
  constructor(store, userId) {
    super();
    this.#store = store;
    this.#prefix = `draft:${userId}:`;
  }

  /** Starts listening to other tabs; returns a function that ends this. */
  start() {
    return this.#store.watch(this.#prefix, (_, name) => this.emit("changed", name.slice(this.#prefix.length)));
  }

  /** The draft; an empty string if there is none. */
  of(key) {
    return this.#store.get(this.#prefix + key) ?? "";
  }

  keys() {
    return this.#store.names(this.#prefix).map((name) => name.slice(this.#prefix.length));
  }

  /** Returns false if the draft won't outlive the page. */
  keep(key, text) {
    const done = this.#store.set(this.#prefix + key, text || null);
    this.emit("changed", key);
    return done;
  }

  isKept(key) {
    return this.#store.kept(this.#prefix + key);
  }
}
