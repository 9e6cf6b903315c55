// Confirms received private messages to the server, several together after a short delay. No I/O.

import { latest, newer } from "../base/seq.js";

/** Milliseconds: private messages that come within this time are confirmed together. */
const CONFIRM = 500;

export class Receipts {
  #clock;
  #reached;
  #send;
  #confirmed = null;
  #cancel = null;

  /** `reached()` is the place up to which everything has come; `send(place)` returns whether it was sent. */
  constructor({ clock, reached, send }) {
    this.#clock = clock;
    this.#reached = reached;
    this.#send = send;
  }

  /** The place that is confirmed already, by the server's answer to the login. */
  adopt(inbox) {
    this.#confirmed = inbox;
  }

  /** Another session of the account has confirmed up to that place. */
  elsewhere(inbox) {
    this.#confirmed = latest(this.#confirmed, inbox);
  }

  soon() {
    this.#cancel ??= this.#clock.after(CONFIRM, () => this.flush());
  }

  /** Confirms now what is due. */
  flush() {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = null;
    const inbox = this.#reached();
    if (!inbox || !newer(inbox, this.#confirmed)) return;
    if (this.#send(inbox)) this.#confirmed = inbox;
  }
}
