// The users who are online, as far as the server says. No DOM.

import { STATUS } from "../base/wire.js";

export class Roster {
  #people = new Map();
  #sorted = null;

  constructor() {
    /** How many are online, of whom only some may be known. */
    this.online = 0;
    /** There are so many that the server does not send a notice for each who comes or goes. */
    this.partial = false;
    /** All online users with an id up to here are known; Infinity: all. */
    this.knownTo = 0;
  }

  /** Takes a login's list: everybody, or nobody if there are too many. */
  reset(users, online) {
    this.online = online;
    this.partial = users.length < online;
    this.knownTo = this.partial ? 0 : Infinity;
    this.#people = new Map(users.map((person) => [person.userId, person]));
    this.#sorted = null;
  }

  /** Takes a `PresenceMes`; returns true if the whole list has to be fetched again. */
  change({ online, changes, partial }) {
    const calmAgain = this.partial && !partial;
    this.online = online;
    this.partial = partial;
    for (const person of changes) this.#put(person);
    return calmAgain;
  }

  /** Takes a page of users: it covers all ids after `after` up to its last one. */
  addPage(after, { users, online, next }) {
    const last = next ?? Infinity;
    const here = new Set(users.map((person) => person.userId));
    for (const id of this.#people.keys()) {
      if (id > after && id <= last && !here.has(id)) this.#people.delete(id);
    }
    for (const person of users) this.#people.set(person.userId, person);
    this.#sorted = null;
    this.online = online;
    if (after <= this.knownTo) this.knownTo = Math.max(this.knownTo, last);
  }

  get(id) {
    return this.#people.get(id);
  }

  get complete() {
    return this.knownTo === Infinity;
  }

  /** Sorted by name; by id while only some are known, as the server sends them in that order. */
  list(collator) {
    this.#sorted ??= [...this.#people.values()].sort(
      this.partial
        ? (a, b) => a.userId - b.userId
        : (a, b) => collator.compare(a.userName, b.userName) || a.userId - b.userId,
    );
    return this.#sorted;
  }

  #put(person) {
    if (person.userStatus === STATUS.OFFLINE) this.#people.delete(person.userId);
    else this.#people.set(person.userId, person);
    this.#sorted = null;
  }
}
