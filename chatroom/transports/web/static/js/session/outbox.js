// Messages that are not settled yet: sent in order, once each, and kept until the server has them. No I/O.

import { backoff } from "../base/clock.js";
import { CODE, peerOf } from "../base/wire.js";

/** Most unanswered messages at a time: the protocol's limit. */
export const WINDOW = 100;
/** Most messages that may wait, failed ones included. */
export const MOST_WAITING = 200;
/** Milliseconds without an acknowledgement or a message after which the connection is given up. */
const OVERDUE = 20_000;
/** Longest pause before sending a message again that the server could not take. */
const RESEND_MOST = 2_000;

/**
 * The server could not take the message now, but may take it later, under the same id. Every other code
 * is final, as in the library: if the connection is not logged in, retrying would never end.
 */
const LATER = new Set([CODE.TOO_FAST, CODE.UNAVAILABLE, CODE.CLOSED]);

/** The type and fields of the message that an entry is sent as. */
export function frameOf({ id, key, text }) {
  const peer = peerOf(key);
  return peer === null
    ? ["SmsMes", { content: text, id, room: key }]
    : ["PrivateMes", { content: text, id, toUserId: peer }];
}

export class Outbox {
  #clock;
  #chance;
  #save;
  #changed;
  #overdue;
  #write = null;
  #cancelHold = null;
  #heldUntil = 0;
  #toldToWait = false;
  #refusals = 0;
  #cancelWatch = null;
  #movedAt = 0;
  #ordinal = 0;

  /**
   * `save(entries)` keeps them over a reload; `changed(key)` is called when those of a conversation
   * changed, `overdue()` when the server leaves messages unanswered.
   */
  constructor({ clock, chance = Math.random, save, changed, overdue }) {
    this.#clock = clock;
    this.#chance = chance;
    this.#save = save;
    this.#changed = changed;
    this.#overdue = overdue;
    /** {id, key, text, at, state: "waiting" | "failed", code, words}: in the order of sending. */
    this.entries = [];
  }

  get full() {
    return this.entries.length >= MOST_WAITING;
  }

  get waiting() {
    return this.entries.filter((entry) => entry.state === "waiting").length;
  }

  get(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  of(key) {
    return this.entries.filter((entry) => entry.key === key);
  }

  /** Send this when its turn comes. False: too many wait already. */
  add(id, key, text) {
    if (this.full) return false;
    this.#push({ id, key, text, at: this.#clock.now(), state: "waiting", code: 0, words: "" });
    this.#stored(key);
    this.#pump();
    return true;
  }

  /** Adds messages that an earlier page left behind. They are sent before those written from now on. */
  adopt(entries) {
    const known = new Set(this.entries.map((entry) => entry.id));
    const mine = this.entries;
    this.entries = [];
    for (const { id, key, text, at, state, code, words = "" } of entries) {
      if (!known.has(id)) this.#push({ id, key, text, at, state, code, words });
    }
    for (const entry of mine) {
      entry.ordinal = this.#ordinal++;
      this.entries.push(entry);
    }
    this.#save(this.entries);
    for (const key of new Set(entries.map((entry) => entry.key))) this.#changed(key);
    this.#pump();
  }

  /** A connection is logged in: send the unanswered messages again, then the rest. */
  open(write) {
    this.#write = write;
    // This may be another server, or the same one after a repair: don't wait for the one that refused.
    if (!this.#toldToWait) this.#endHold();
    this.#pump();
  }

  /** The connection is gone: the messages that were sent on it get no answer. */
  shut() {
    this.#write = null;
    for (const entry of this.entries) entry.sentAt = null;
  }

  stop() {
    this.shut();
    this.#endHold();
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  /** A message was delivered, so the server works, and acknowledgements will come in order. */
  touched() {
    this.#movedAt = this.#clock.elapsed();
  }

  /** The message is stored. Returns its entry, or undefined if it was not waiting. */
  settle(id) {
    const entry = this.#take(id);
    if (entry) {
      this.#refusals = 0;
      this.touched();
      this.#stored(entry.key);
      this.#pump();
    }
    return entry;
  }

  /**
   * The message was refused, for now or for good. `retryAfter` is in seconds; `until` is set if an
   * operator caused this, and then `reason` and `note` say what was done and why.
   */
  refuse(id, { code, retryAfter, until, reason, note }) {
    const entry = this.get(id);
    if (!entry || entry.state === "failed") return;
    entry.sentAt = null;
    this.touched();
    if (LATER.has(code)) {
      this.hold(retryAfter);
    } else {
      entry.state = "failed";
      entry.code = code;
      entry.words = until === undefined ? "" : { reason, until, note };
      this.#stored(entry.key);
      this.#pump();
    }
  }

  /** Send nothing for a while, then go on in the old order. */
  hold(retryAfter) {
    let pause;
    if (retryAfter > 0) {
      this.#toldToWait = true;
      pause = retryAfter * 1000;
    } else {
      if (this.#cancelHold) return; // several refusals at about the same time count once
      pause = backoff(this.#refusals, RESEND_MOST, this.#chance());
      this.#refusals += 1;
    }
    const until = Math.max(this.#heldUntil, this.#clock.elapsed() + pause);
    this.#cancelHold?.();
    this.#heldUntil = until;
    this.#cancelHold = this.#clock.after(until - this.#clock.elapsed(), () => {
      this.#endHold();
      this.#pump();
    });
  }

  /** Try a failed message again, after all others and under the same id. */
  retry(id) {
    const entry = this.#take(id);
    if (!entry) return;
    this.#push({ ...entry, state: "waiting", code: 0, words: "", at: this.#clock.now() });
    this.#stored(entry.key);
    this.#pump();
  }

  /** Drop a failed message. */
  discard(id) {
    if (this.get(id)?.state !== "failed") return;
    this.#stored(this.#take(id).key);
  }

  #push(entry) {
    this.entries.push(Object.assign(entry, { ordinal: this.#ordinal++, sentAt: null }));
  }

  #take(id) {
    const at = this.entries.findIndex((entry) => entry.id === id);
    return at === -1 ? undefined : this.entries.splice(at, 1)[0];
  }

  #stored(key) {
    this.#save(this.entries);
    this.#changed(key);
  }

  /**
   * Send what may be sent. The window starts at the oldest waiting message: if it counted only those in
   * flight, a message could be overtaken by more others than the server remembers the ids of.
   */
  #pump() {
    if (!this.#write || this.#cancelHold) return;
    const waiting = this.entries.filter((entry) => entry.state === "waiting");
    for (const entry of waiting) {
      if (entry.ordinal >= waiting[0].ordinal + WINDOW) break;
      if (entry.sentAt !== null) continue;
      entry.sentAt = this.#clock.elapsed();
      this.#write(...frameOf(entry));
    }
    if (waiting.length) this.#cancelWatch ??= this.#clock.after(OVERDUE, () => this.#look());
  }

  #endHold() {
    this.#cancelHold?.();
    this.#cancelHold = null;
    this.#heldUntil = 0;
    this.#toldToWait = false;
  }

  /** Check whether the server still answers: it may be frozen. */
  #look() {
    this.#cancelWatch = null;
    const sent = this.entries.filter((e) => e.state === "waiting" && e.sentAt !== null);
    if (!sent.length) return;
    const due = Math.max(Math.min(...sent.map((e) => e.sentAt)), this.#movedAt) + OVERDUE;
    const left = due - this.#clock.elapsed();
    if (left <= 0) this.#overdue();
    else this.#cancelWatch = this.#clock.after(left, () => this.#look());
  }
}
