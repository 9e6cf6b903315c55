// One conversation as far as this page knows it: messages in order, each once. No DOM.

import { compare, newer, search } from "../base/seq.js";
import { peerOf } from "../base/wire.js";

/** Most messages kept of one conversation; older ones are asked for again when scrolled to. */
const KEPT = 6000;
const KEPT_AFTER_TRIMMING = 5000;

export class Conversation {
  constructor(key) {
    this.key = key;
    /** The other person's id; null in a room. */
    this.peer = peerOf(key);
    /** Ascending by place: {seq, id, userId, userName, content, sentAt, own}. */
    this.messages = [];
    /** The newest page of the history has been got. */
    this.loaded = false;
    /** The server may have older ones. */
    this.more = true;
    /** Up to here the person has seen it; null: not known. */
    this.read = null;
    /** Places before which messages are missing. */
    this.gaps = new Set();
    /** When the conversation was opened here, or written to; milliseconds since 1970. */
    this.touched = 0;
  }

  /**
   * When something last happened here. The newest message is the last one in its place: one time
   * that was wrong holds no conversation at the top once something follows it.
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

  /** Others' messages behind the read mark; `Infinity` is never counted to: the list is bounded. */
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

  /** All that is kept is unread, and the server has more: the count may be too small. */
  get unreadOpenEnded() {
    return this.loaded && this.more && this.read !== null && this.oldest !== null && newer(this.oldest.seq, this.read);
  }

  /** The first of others' messages behind the read mark; null where there is none. */
  get firstUnread() {
    if (this.read === null) return null;
    let at = search(this.messages, this.read);
    if (this.messages[at]?.seq === this.read) at += 1;
    return this.messages.slice(at).find((message) => !message.own) ?? null;
  }

  /** A message that has just come; false where it was here before. */
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

  /** A page of history: oldest first; `asked` is the place that it was asked to lie before. */
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
