// How much of each conversation this page has received, to resume from there. No I/O.

import { before, latest, newer } from "../base/seq.js";

export class Positions {
  #rooms = {};
  #inbox = null;

  get inbox() {
    return this.#inbox;
  }

  /** Everything up to this place was received. A null room is the inbox. A position never goes back. */
  took(room, seq) {
    if (room === null) this.#inbox = latest(this.#inbox, seq);
    else this.#rooms[room] = latest(this.#rooms[room], seq);
  }

  /** Starts at the server's newest place in every conversation that has no position yet. */
  adopt(rooms, inbox) {
    for (const [room, seq] of Object.entries(rooms)) this.#rooms[room] ??= seq;
    this.#inbox ??= inbox;
  }

  /** Moves to just before a place, forward or back, so that it is the next one. */
  restart(room, seq) {
    if (room === null) this.#inbox = before(seq);
    else this.#rooms[room] = before(seq);
  }

  /** Whether everything up to this place of a room is here. */
  reached(room, seq) {
    return !seq || !newer(seq, this.#rooms[room]);
  }

  /** The fields of a `LoginMes` that resume from here. */
  resume() {
    const rooms = { ...this.#rooms };
    return this.#inbox ? { rooms, inbox: this.#inbox } : { rooms };
  }
}
