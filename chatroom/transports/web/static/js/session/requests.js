// Requests to the server, one at a time, so that an error that names no request belongs to the
// current one. No DOM.

import { CODE } from "../base/wire.js";

/** Milliseconds to wait for an answer, and before repeating a request that the server could not handle. */
const ANSWER = 15_000;
const AGAIN = 1_000;
const TRIES = 4;

/** Why there is no answer: a code of the server, or 0 if the connection broke. */
export class RequestFailed extends Error {
  constructor(code) {
    super(`request failed: ${code}`);
    this.code = code;
  }
}

export class Requests {
  #clock;
  #send;
  #overdue;
  #queue = [];
  #current = null;
  #cancel = null;

  /** `send(type, data)` returns false if there is no connection; `overdue()`: no answer came. */
  constructor({ clock, send, overdue }) {
    this.#clock = clock;
    this.#send = send;
    this.#overdue = overdue;
  }

  /** Fails with RequestFailed. Urgent requests, which a person waits for, go before all others. */
  ask(type, data, answer, { urgent = false } = {}) {
    return new Promise((resolve, reject) => {
      const request = { type, data, answer, resolve, reject, tries: 0 };
      if (urgent) this.#queue.unshift(request);
      else this.#queue.push(request);
      this.#next();
    });
  }

  /** Returns true if this answers the current request. */
  answered(type, data) {
    if (this.#current?.answer !== type || this.#pausing) return false;
    this.#finish().resolve(data);
    this.#next();
    return true;
  }

  /** An `ErrorMes` without an id. */
  failed({ code, retryAfter }) {
    const request = this.#current;
    if (!request || this.#pausing) return false;
    request.tries += 1;
    if ([CODE.TOO_FAST, CODE.UNAVAILABLE].includes(code) && request.tries < TRIES) {
      this.#wait((retryAfter ?? 0) * 1000 || AGAIN * request.tries, () => this.#begin());
      this.#pausing = true;
    } else {
      this.#finish().reject(new RequestFailed(code));
      this.#next();
    }
    return true;
  }

  /** The connection is gone: all requests fail. */
  shut() {
    const all = this.#current ? [this.#finish(), ...this.#queue] : this.#queue;
    this.#queue = [];
    for (const request of all) request.reject(new RequestFailed(0));
  }

  #pausing = false;

  #next() {
    if (this.#current || !this.#queue.length) return;
    this.#current = this.#queue.shift();
    this.#begin();
  }

  #begin() {
    this.#pausing = false;
    if (!this.#send(this.#current.type, this.#current.data)) {
      this.shut();
      return;
    }
    this.#wait(ANSWER, () => this.#overdue());
  }

  #wait(ms, call) {
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, call);
  }

  #finish() {
    const request = this.#current;
    this.#cancel?.();
    this.#cancel = null;
    this.#current = null;
    this.#pausing = false;
    return request;
  }
}
