// Oneself and the others: their names and status, as far as they are known. No DOM.

import { STATUS } from "../base/wire.js";
import { Roster } from "./roster.js";

/** People asked for at once while there are too many to be told of each. */
const PAGE = 500;

export class People {
  #requests;
  #send;
  #emit;
  #names;
  #known = false;
  /** One's own status could not be asked for: what the next login says may be older. */
  #unsure = false;

  /**
   * `names`: what is remembered of before, pairs of id and name. `emit(name)` tells of changes:
   * "people", "me", "status" when it was set here (or may have been), and "counted" when only how many are online is known anew.
   */
  constructor({ me, names, requests, send, emit }) {
    this.me = me;
    this.roster = new Roster();
    this.#names = new Map(names);
    this.#requests = requests;
    this.#send = send;
    this.#emit = emit;
  }

  /** A person's name as far as it is known; an empty string where it is not. */
  nameOf(userId) {
    if (userId === this.me.userId) return this.me.userName;
    return this.roster.get(userId)?.userName ?? this.#names.get(userId) ?? "";
  }

  /** A person's status; null where it is not known, as it is of nobody without a connection. */
  statusOf(userId) {
    if (!this.#known) return null;
    if (userId === this.me.userId) return this.me.userStatus;
    const person = this.roster.get(userId);
    if (person) return person.userStatus;
    return userId <= this.roster.knownTo ? STATUS.OFFLINE : null;
  }

  /** True where the name is news. */
  learnName(userId, userName) {
    if (this.#names.get(userId) === userName) return false;
    this.#names.set(userId, userName);
    return true;
  }

  /** Takes what a login says. */
  entered({ userName, users, online }) {
    this.#known = true;
    this.me.userName = userName;
    this.roster.reset(users, online);
    const self = this.roster.get(this.me.userId);
    if (self) this.me.userStatus = self.userStatus;
    if (this.#unsure) this.#settle().catch(() => {});
    else if (!self) this.lookUp(this.me.userId).catch(() => {});
  }

  /** The connection is gone: who comes and goes is not told any more. */
  lost() {
    this.#known = false;
  }

  /** Takes a `PresenceMes`. */
  changed(presence) {
    const calmAgain = this.roster.change(presence);
    const self = presence.changes.find((person) => person.userId === this.me.userId);
    if (self && self.userStatus !== STATUS.OFFLINE) this.#become(self.userStatus);
    if (calmAgain) this.#ask(0, PAGE).catch(() => {});
    this.#emit("people");
    if (presence.partial) this.#emit("counted");
  }

  /** False where the server did not take it. */
  async setStatus(status) {
    const earlier = this.me.userStatus;
    this.#become(status);
    if (!this.#send("StatusMes", { status })) {
      this.#become(earlier);
      return false;
    }
    try {
      // The server answers only failures; the next answer says what holds.
      await this.#settle();
    } catch {
      this.#become(earlier);
    }
    return this.me.userStatus === status;
  }

  /** Asks for one person. Fails with RequestFailed, as do the two below. */
  async lookUp(userId) {
    const own = userId === this.me.userId;
    if (own) this.#unsure = true;
    await this.#ask(userId - 1, 1);
    const self = own && this.roster.get(userId);
    if (own) this.#unsure = false;
    if (self) this.#become(self.userStatus);
  }

  /** The next people behind those that are known. */
  async loadMore() {
    if (!this.roster.complete) await this.#ask(this.roster.knownTo, PAGE);
  }

  /** What may have changed untold among so many from this id on. */
  async refresh(first, limit) {
    await this.#ask(first - 1, limit);
  }

  async #settle() {
    await this.lookUp(this.me.userId);
    this.#emit("status");
  }

  async #ask(after, limit) {
    const answer = await this.#requests.ask("UsersMes", { after, limit }, "UsersResMes");
    this.roster.addPage(after, answer);
    this.#emit("people");
  }

  #become(status) {
    this.me.userStatus = status;
    this.#emit("me");
  }
}
