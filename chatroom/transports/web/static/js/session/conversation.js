// The part of a conversation that this page has: messages in order, each once. No DOM.

import { compare, newer, search } from "../base/seq.js";
import { peerOf } from "../base/wire.js";

/** Most messages kept of one conversation; older ones are fetched again when scrolled to. */
const KEPT = 6000;
const KEPT_AFTER_TRIMMING = 5000;

export class Conversation {
  constructor(key) {
    this.key = key;
    /** The other person's id; null in a room. */
    this.peer = peerOf(key);
    /** In ascending order of place: {seq, id, userId, userName, content, sentAt, own}. */
    this.messages = [];
    /** The newest page of the history has been fetched. */
    this.loaded = false;
    /** The server may have older ones. */
    this.more = true;
    /** The person has seen everything up to this place; null: not known. */
    this.read = null;
    /** Places before which messages are missing. */
    this.gaps = new Set();
    /** When the person last opened the conversation here or wrote to it; milliseconds since 1970. */
    this.touched = 0;
  }

  /**
   * When something last happened here. The newest message is the last one by place, not by time: so a
   * message with a wrong time can't keep the conversation at the top once another follows.
   */
  get activity() {
    return Math.max(this.touched, this.newest?.sentAt ?? 0);
  }

  get newest() {
    return this.messages.at(-1) ?? null;
  }

  get oldest() {
    return this.messages[0] ?? null;
  }

  /** How many of others' messages are after the read mark, among those kept. */
  get unread() {
    if (this.read === null) return 0;
    let count = 0;
    for (let i = this.messages.length - 1; i >= 0; i -= 1) {
      const message = this.messages[i];
      if (compare(message.seq, this.read) <= 0) break;
      if (!message.own) count += 1;
    }
    return count;
  }

  /** All kept messages are unread, and the server has more: the count may be too small. */
  get unreadOpenEnded() {
    return this.loaded && this.more && this.read !== null && this.oldest !== null && newer(this.oldest.seq, this.read);
  }

  /** The first of others' messages after the read mark; null if there is none. */
  get firstUnread() {
    if (this.read === null) return null;
    let at = search(this.messages, this.read);
    if (this.messages[at]?.seq === this.read) at += 1;
    return this.messages.slice(at).find((message) => !message.own) ?? null;
  }

  /** Adds a message that has just come; returns false if it was here already. */
  add(message) {
    const { messages } = this;
    const at = this.newest && !newer(message.seq, this.newest.seq) ? search(messages, message.seq) : messages.length;
    if (messages[at]?.seq === message.seq) return false;
    messages.splice(at, 0, message);
    if (messages.length > KEPT) {
      messages.splice(0, messages.length - KEPT_AFTER_TRIMMING);
      this.more = true;
    }
    return true;
  }

  /** Adds a page of history, oldest first; `asked` is the place before which it was requested. */
  addPage(page, more, asked) {
    for (const message of page) {
      const at = search(this.messages, message.seq);
      if (this.messages[at]?.seq !== message.seq) this.messages.splice(at, 0, message);
    }
    // Only the page before the oldest one says whether there is anything before that.
    const first = page[0]?.seq ?? asked;
    if (!first || first === this.oldest?.seq) this.more = more;
    if (!asked) this.loaded = true;
  }

  markRead(seq) {
    if (!newer(seq, this.read)) return false;
    this.read = seq;
    return true;
  }
}
