// Doubles for what the page's modules are given: a clock that is moved by hand, and a WebSocket.

import { decode, encode } from "../../../../chatroom/transports/web/static/js/base/wire.js";

export class FakeClock {
  #time = 1_000_000;
  /** How far the time of day is ahead. */
  ahead = 0;
  #timers = new Map();
  #last = 0;

  now() {
    return this.#time + this.ahead;
  }

  elapsed() {
    return this.#time;
  }

  after(ms, call) {
    const id = ++this.#last;
    this.#timers.set(id, { at: this.#time + ms, call });
    return () => this.#timers.delete(id);
  }

  advance(ms) {
    const end = this.#time + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, t]) => t.at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.#time = next[1].at;
      next[1].call();
    }
    this.#time = end;
  }
}

export class FakeSocket {
  readyState = 0;
  sent = [];
  closed = false;

  send(text) {
    this.sent.push(decode(text));
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen({});
  }

  hear(type, data) {
    this.onmessage({ data: encode(type, data) });
  }

  break() {
    this.readyState = 3;
    this.onclose({});
  }

  types() {
    return this.sent.map((message) => message.type);
  }

  take() {
    return this.sent.splice(0);
  }
}

/** What `prefs` is to those who are given it; `kept` is the browser's storage, which tabs share. */
export class FakeStore {
  #watches = [];

  constructor(kept = new Map()) {
    this.stored = kept;
  }

  get(name) {
    return this.stored.get(name) ?? null;
  }

  set(name, value) {
    if (value === null) this.stored.delete(name);
    else this.stored.set(name, value);
    return true;
  }

  kept() {
    return true;
  }

  names(start) {
    return [...this.stored.keys()].filter((name) => name.startsWith(start));
  }

  watch(start, changed) {
    this.#watches.push([start, changed]);
    return () => {};
  }

  /** Another tab changed this. */
  told(name) {
    for (const [start, changed] of this.#watches) if (name.startsWith(start)) changed(this.get(name), name);
  }
}

/** Lets promises that are settled be noticed. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
