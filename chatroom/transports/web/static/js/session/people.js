// This user and the others: their names and status, as far as they are known. No DOM.

import { STATUS } from "../base/wire.js";
import { Roster } from "./roster.js";

/** Users fetched at once while there are too many for a notice about each. */
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
   * `names`: pairs of id and name, remembered from before. `emit(name)` reports changes: "people", "me",
   * "status" when it was set here (or may have been), and "counted" when only the number of online users
   * is new.
   */
  constructor({ me, names, requests, send, emit }) {
    this.me = me;
    this.roster = new Roster();
    this.#names = new Map(names);
    this.#requests = requests;
    this.#send = send;
    this.#emit = emit;
  }

  /** A person's name; an empty string if it is not known. */
  nameOf(userId) {
    if (userId === this.me.userId) return this.me.userName;
    return this.roster.get(userId)?.userName ?? this.#names.get(userId) ?? "";
  }

  /** A person's status; null if it is not known, as for everybody without a connection. */
  statusOf(userId) {
    if (!this.#known) return null;
    if (userId === this.me.userId) return this.me.userStatus;
    const person = this.roster.get(userId);
    if (person) return person.userStatus;
    return userId <= this.roster.knownTo ? STATUS.OFFLINE : null;
  }

  /** Returns true if the name is new. */
  learnName(userId, userName) {
    if (this.#names.get(userId) === userName) return false;
    this.#names.set(userId, userName);
    return true;
  }

  /** Takes the answer to a login. */
  entered({ userName, users, online }) {
    this.#known = true;
    this.me.userName = userName;
    this.roster.reset(users, online);
    const self = this.roster.get(this.me.userId);
    if (self) this.me.userStatus = self.userStatus;
    if (this.#unsure) this.#settle().catch(() => {});
    else if (!self) this.lookUp(this.me.userId).catch(() => {});
  }

  /** The connection is gone, and with it the presence notices. */
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

  /** Returns false if the server did not accept it. */
  async setStatus(status) {
    const earlier = this.me.userStatus;
    this.#become(status);
    if (!this.#send("StatusMes", { status })) {
      this.#become(earlier);
      return false;
    }
    try {
      // The server answers only failures; the answer to the next request shows whether this worked.
      await this.#settle();
    } catch {
      this.#become(earlier);
    }
    return this.me.userStatus === status;
  }

  /** Fetches one person. Fails with RequestFailed, as do the two below. */
  async lookUp(userId) {
    const own = userId === this.me.userId;
    if (own) this.#unsure = true;
    await this.#ask(userId - 1, 1);
    const self = own && this.roster.get(userId);
    if (own) this.#unsure = false;
    if (self) this.#become(self.userStatus);
  }

  /** Fetches the next people after those that are known. */
  async loadMore() {
    if (!this.roster.complete) await this.#ask(this.roster.knownTo, PAGE);
  }

  /** Fetches so many from this id on, as they may have changed without a notice. */
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
