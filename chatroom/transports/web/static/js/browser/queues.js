// Keeps waiting messages over a reload. Each tab has a queue of its own, and holds a lock with the
// queue's name while it is open: a tab that gets another tab's lock knows that it is gone, and sends
// its messages. So each message is sent by one tab.

import { newId } from "../base/wire.js";
import * as prefs from "./prefs.js";

/** Milliseconds. Without locks (plain HTTP), a queue that is not touched for so long has lost its tab. */
const ABANDONED = 120_000;
const HEARTBEAT = 30_000;

/** How many messages wait, in all tabs of this browser. */
export function countWaiting(userId) {
  return prefs.names(`queue:${userId}:`).reduce((sum, name) => sum + (prefs.get(name)?.entries?.length ?? 0), 0);
}

export class Queues {
  #prefix;
  #own;
  #adopt;
  #waitedFor = new Set();
  #over = new AbortController();
  #entries = [];
  #timer = 0;

  /** `adopt(entries)` takes the messages of a tab that is gone. */
  constructor(userId, adopt) {
    this.#prefix = `queue:${userId}:`;
    this.#own = this.#prefix + newId();
    this.#adopt = adopt;
  }

  start() {
    if (navigator.locks) {
      this.#hold(this.#own, () => new Promise((done) => {
        this.#over.signal.addEventListener("abort", done);
      }));
    } else {
      this.#timer = setInterval(() => this.#beat(), HEARTBEAT);
      addEventListener("pagehide", () => this.#keep(0), { signal: this.#over.signal });
    }
    addEventListener("storage", () => this.#look(), { signal: this.#over.signal });
    this.#look();
  }

  /** Returns false if they won't outlive this page. */
  save(entries) {
    this.#entries = entries.map(({ id, key, text, at, state, code, words }) => ({ id, key, text, at, state, code, words }));
    return this.#keep(Date.now());
  }

  stop() {
    clearInterval(this.#timer);
    this.#over.abort();
    if (!navigator.locks) this.#keep(0);
  }

  #look() {
    for (const name of prefs.names(this.#prefix)) {
      if (name === this.#own || this.#waitedFor.has(name)) continue;
      if (navigator.locks) {
        this.#waitedFor.add(name);
        this.#hold(name, () => this.#take(name));
      } else if (Date.now() - (prefs.get(name)?.touched ?? 0) > ABANDONED) {
        this.#take(name);
      }
    }
  }

  #hold(name, held) {
    navigator.locks.request(`chatroom:${name}`, { signal: this.#over.signal }, held).catch(() => {});
  }

  #take(name) {
    this.#waitedFor.delete(name);
    const entries = prefs.get(name)?.entries;
    if (!Array.isArray(entries) || !entries.length) return;
    this.#adopt(entries);
    prefs.set(name, null);
  }

  #keep(touched) {
    return prefs.set(this.#own, this.#entries.length ? { touched, entries: this.#entries } : null);
  }

  #beat() {
    if (this.#entries.length) this.#keep(Date.now());
    this.#look();
  }
}
