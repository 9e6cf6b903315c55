// Tells the server up to where private messages have come, a little later and for several together. No I/O.

import { latest, newer } from "../base/seq.js";

/** Milliseconds: private messages that came within this time are confirmed together. */
const CONFIRM = 500;

export class Receipts {
  #clock;
  #reached;
  #send;
  #confirmed = null;
  #cancel = null;

  /** `reached()` is the place up to which all has come; `send(place)` gives whether it could be sent. */
  constructor({ clock, reached, send }) {
    this.#clock = clock;
    this.#reached = reached;
    this.#send = send;
  }

  /** What the server has, by its answer to the login. */
  adopt(inbox) {
    this.#confirmed = inbox;
  }

  /** Another session of the account has confirmed up to there. */
  elsewhere(inbox) {
    this.#confirmed = latest(this.#confirmed, inbox);
  }

  soon() {
    this.#cancel ??= this.#clock.after(CONFIRM, () => this.flush());
  }

  /** What is due is confirmed now. */
  flush() {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = null;
    const inbox = this.#reached();
    if (!inbox || !newer(inbox, this.#confirmed)) return;
    if (this.#send(inbox)) this.#confirmed = inbox;
  }
}
