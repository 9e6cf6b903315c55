// Doubles for what the page's modules are given: a clock that is moved by hand, and a WebSocket.

import { decode, encode } from "../../../chatroom/web/static/js/wire.js";

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

/** Lets promises that are settled be noticed. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
