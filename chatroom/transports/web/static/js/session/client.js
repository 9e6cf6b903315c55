// A session: turns the server's messages into state, and sends what the person does.
// No DOM; views listen to its events:
//   state, conversations, messages (a key), people, counted (only the number of online users is
//   new), me, arrived ({conversation, message}), status (set here), announced (a text),
//   refused (the answer)

import { Events } from "../base/events.js";
import { before, compare, newer } from "../base/seq.js";
import { CODE, LOBBY, OPERATOR, STATUS, keyOf, newId } from "../base/wire.js";
import { CatchingUp } from "./catching-up.js";
import { Conversation } from "./conversation.js";
import { History } from "./history.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Positions } from "./positions.js";
import { Receipts } from "./receipts.js";
import { Requests } from "./requests.js";
import { Connection } from "./socket.js";

/** Most conversations that are fetched automatically; the others are fetched when opened. */
const MOST_LISTED = 200;
/** How many ids of settled own messages are remembered: an answer may come twice. */
const MOST_SETTLED = 1_000;

export class Client extends Events {
  #clock;
  #memory;
  #requests;
  #history;
  #positions = new Positions();
  #catchingUp;
  #receipts;
  #settled = new Set();
  #loggedIn = false;
  #opened = null;
  #flagged;
  #handlers = {
    LoginResMes: (data) => this.#entered(data),
    SmsMes: (data) => this.#said(data),
    PrivateMes: (data) => this.#arrived(data, null),
    AckMes: (data) => this.#acknowledged(data),
    ReadMes: (data) => this.#readElsewhere(data),
    ReceivedMes: (data) => this.#receipts.elsewhere(data.inbox),
    PresenceMes: (data) => this.people.changed(data),
    ErrorMes: (data) => this.#error(data),
  };

  /**
   * `memory` keeps values over a reload: `lobbyRead`, with a setter, `names`, extended by `keepName`,
   * `flagged` (keys that were marked as unread), changed by `flag`, `drafts` and `saveQueue`.
   */
  constructor({ user, connect, clock, memory, chance }) {
    super();
    this.#clock = clock;
    this.#memory = memory;
    this.me = { userId: user.userId, userName: user.userName, userStatus: STATUS.ONLINE };
    this.drafts = memory.drafts;
    this.conversations = new Map();
    this.conversation(LOBBY).read = memory.lobbyRead;
    this.drafts.on("changed", (key) => {
      this.conversation(key);
      this.emit("conversations");
    });
    for (const key of this.drafts.keys()) this.conversation(key);
    this.#flagged = new Set(memory.flagged);
    this.#catchingUp = new CatchingUp(clock, () => this.emit("state"));
    this.connection = new Connection({
      connect,
      clock,
      chance,
      hello: () => this.#hello(),
      onMessage: (type, data) => this.#handle(type, data),
      onState: (state) => this.#stateChanged(state),
      onRefused: (refusal) => this.emit("refused", refusal),
    });
    this.outbox = new Outbox({
      clock,
      chance,
      save: (entries) => memory.saveQueue(entries),
      changed: (key) => this.#outboxChanged(key),
      overdue: () => this.connection.doubt(),
    });
    this.#requests = new Requests({
      clock,
      send: (type, data) => this.connection.send(type, data),
      overdue: () => this.connection.doubt(),
    });
    this.people = new People({
      me: this.me,
      names: memory.names,
      requests: this.#requests,
      send: (type, data) => this.connection.send(type, data),
      emit: (name) => this.emit(name),
    });
    this.#receipts = new Receipts({
      clock,
      reached: () => this.#positions.inbox,
      send: (inbox) => this.connection.send("ReceivedMes", { inbox }),
    });
    this.#history = new History({
      requests: this.#requests,
      online: () => this.connection.state === "online",
      arrived: (conversation, page, place) => this.#pageArrived(conversation, page, place),
      changed: (key) => this.emit("messages", key),
    });
  }

  start() {
    this.connection.start();
  }

  stop() {
    this.leaving();
    this.connection.stop();
    this.outbox.stop();
    this.#requests.shut();
  }

  /** Whether it is connected, and still receives missed messages. */
  get catchingUp() {
    return this.#catchingUp.active;
  }

  // ------------------------------------------------------------ for views

  conversation(key) {
    let conversation = this.conversations.get(key);
    if (!conversation) {
      conversation = new Conversation(key);
      this.conversations.set(key, conversation);
    }
    return conversation;
  }

  /** The lobby, then the private conversations, the latest first. */
  listed() {
    const [lobby, ...all] = [...this.conversations.values()];
    const others = all.filter(
      ({ key, newest, read }) =>
        newest || read !== null || key === this.#opened || this.outbox.of(key).length || this.drafts.of(key),
    );
    return [lobby, ...others.sort((a, b) => b.activity - a.activity || a.peer - b.peer)];
  }

  get unread() {
    let count = 0;
    for (const conversation of this.conversations.values()) count += conversation.unread;
    return count;
  }

  /** Opens a conversation: it is listed from now on, and its newest page is fetched. */
  open(key) {
    const isNew = !this.conversations.has(key);
    const conversation = this.conversation(key);
    if (isNew) conversation.touched = this.#clock.now();
    this.#opened = key;
    this.emit("conversations");
    this.#loadOpened();
  }

  /** Returns false if too many messages wait already. */
  say(key, text) {
    const conversation = this.conversation(key);
    if (!this.outbox.add(newId(), key, text)) return false;
    conversation.touched = this.#clock.now();
    this.emit("conversations");
    return true;
  }

  loadOlder(key) {
    this.#history.older(this.conversation(key));
  }

  isLoading(key) {
    return this.#history.isLoading(key);
  }

  /** The person has seen all of this conversation. */
  seen(key) {
    const conversation = this.conversation(key);
    if (!conversation.newest || !this.#mark(conversation, conversation.newest.seq)) return;
    this.emit("conversations");
  }

  /** Whether the person marked it as unread. Kept here, as the server's marks only go forward. */
  isFlagged(key) {
    return this.#flagged.has(key);
  }

  /** Marks a conversation as unread, until it is opened. */
  flag(key, flagged = true) {
    if (flagged === this.#flagged.has(key)) return;
    if (flagged) this.#flagged.add(key);
    else this.#flagged.delete(key);
    this.#memory.flag(key, flagged);
    this.emit("conversations");
  }

  /** Another tab has marked this one, or opened it. */
  flaggedIs(key, flagged) {
    if (flagged) this.#flagged.add(key);
    else this.#flagged.delete(key);
    this.emit("conversations");
  }

  /** Another tab has shown the lobby up to here. */
  lobbySeen(seq) {
    if (seq && this.conversation(LOBBY).markRead(seq)) this.emit("conversations");
  }

  /** Confirms now what came: the page is closing, and otherwise all of it would come again. */
  leaving() {
    this.#receipts.flush();
  }

  /** Returns a promise of the answer. Fails with RequestFailed. */
  changePassword(userPwd, newPwd) {
    return this.#requests.ask("PasswordMes", { userPwd, newPwd }, "PasswordResMes", { urgent: true });
  }

  // ------------------------------------------------------------ the connection

  #hello() {
    const hello = { userId: this.me.userId, protocol: 2 };
    return this.#loggedIn ? { ...hello, resume: this.#positions.resume() } : hello;
  }

  #stateChanged(state) {
    if (state === "offline" || state === "stopped") {
      this.outbox.shut();
      this.#requests.shut();
      this.#catchingUp.stop();
      this.people.lost();
    }
    this.emit("state");
  }

  #handle(type, data) {
    this.outbox.touched();
    if (this.#requests.answered(type, data)) return;
    this.#handlers[type]?.(data);
  }

  #entered(login) {
    const again = this.#loggedIn;
    this.#loggedIn = true;
    this.people.entered(login);
    this.#positions.adopt(login.rooms, login.inbox);
    this.#receipts.adopt(login.inbox);
    this.#takeReadMarks(login.read);
    if (again || login.unread) {
      this.#catchingUp.start(login.unread, () => this.#positions.reached(LOBBY, login.rooms[LOBBY]));
    }
    this.outbox.open((type, data) => this.connection.send(type, data));
    this.#loadListed(login.read);
    for (const name of ["me", "people", "conversations"]) this.emit(name);
  }

  /** Sends the server the read marks that were moved here while there was no connection. */
  #takeReadMarks(marks) {
    const theirs = new Map(marks.map((mark) => [mark.with, mark.seq]));
    for (const [peer, seq] of theirs) this.conversation(keyOf(peer)).markRead(seq);
    for (const { peer, read } of this.conversations.values()) {
      if (peer === null || read === null) continue;
      if (newer(read, theirs.get(peer))) this.connection.send("ReadMes", { with: peer, seq: read });
    }
  }

  // ------------------------------------------------------------ messages

  /** An operator's announcement has no sender, and no place among the messages. */
  #said(data) {
    if (data.userId === OPERATOR) this.emit("announced", data.content);
    else this.#arrived(data, data.room ?? LOBBY);
  }

  #arrived(data, room) {
    const message = this.#message(data);
    this.#positions.took(room, message.seq);
    if (message.own) this.outbox.settle(message.id);
    if (room === null) {
      this.#receipts.soon();
      if (!message.own) this.#catchingUp.count();
    }
    const conversation = this.conversation(room ?? keyOf(message.own ? data.toUserId : message.userId));
    if (room === null && !message.own && conversation.read === null) {
      // The server lists read marks, not conversations: with a mark, this one is found again.
      this.#mark(conversation, before(message.seq));
    }
    const isNew = conversation.add(message);
    this.#keepName(conversation);
    this.#history.newest(conversation);
    this.#catchingUp.check();
    if (!isNew) return;
    this.emit("messages", conversation.key);
    this.emit("conversations");
    this.emit("arrived", { conversation, message });
  }

  #acknowledged(data) {
    const { id, code, seq, sentAt } = data;
    if (code !== CODE.OK && code !== CODE.STORED_OFFLINE) {
      this.outbox.refuse(id, data);
      return;
    }
    if (this.#settled.has(id)) return;
    const entry = this.outbox.get(id);
    if (!entry) return;
    this.#remember(id);
    const conversation = this.conversation(entry.key);
    this.#positions.took(conversation.peer === null ? entry.key : null, seq);
    conversation.add({
      seq,
      id,
      userId: this.me.userId,
      userName: this.me.userName,
      content: entry.text,
      sentAt,
      own: true,
    });
    if (conversation.peer !== null) {
      this.#receipts.soon();
      this.#keepName(conversation);
      // Listed from now on, even if nobody has answered yet.
      if (conversation.read === null) this.#mark(conversation, seq);
    }
    this.outbox.settle(id);
    this.emit("conversations");
  }

  #remember(id) {
    this.#settled.add(id);
    if (this.#settled.size > MOST_SETTLED) this.#settled.delete(this.#settled.values().next().value);
  }

  #message({ seq, id, userId, userName, content, sentAt }) {
    const own = userId === this.me.userId;
    if (!own && userName) this.people.learnName(userId, userName);
    return { seq, id, userId, userName, content, sentAt, own };
  }

  /** Keeps the names of people in private conversations, as not all of them are online. */
  #keepName({ peer }) {
    const name = peer !== null && this.people.nameOf(peer);
    if (name) this.#memory.keepName(peer, name);
  }

  #outboxChanged(key) {
    this.conversation(key);
    this.emit("messages", key);
    this.emit("conversations");
    this.emit("state");
  }

  #mark(conversation, seq) {
    if (!conversation.markRead(seq)) return false;
    if (conversation.peer === null) this.#memory.lobbyRead = seq;
    else this.connection.send("ReadMes", { with: conversation.peer, seq });
    return true;
  }

  #readElsewhere({ with: peer, seq }) {
    const conversation = this.conversation(keyOf(peer));
    if (!conversation.markRead(seq)) return;
    this.#history.newest(conversation);
    this.emit("conversations");
  }

  // ------------------------------------------------------------ history

  #loadOpened() {
    const conversation = this.conversation(this.#opened ?? LOBBY);
    this.#history.newest(conversation, { urgent: true });
    const { peer } = conversation;
    if (peer !== null && this.people.statusOf(peer) === null) this.people.lookUp(peer).catch(() => {});
  }

  /** Lists the conversations that have read marks; the marks' places tell which is the latest. */
  #loadListed(marks) {
    for (const conversation of this.conversations.values()) conversation.failed = undefined;
    this.#loadOpened();
    this.#history.newest(this.conversation(LOBBY), { urgent: true });
    const sorted = [...marks].sort((a, b) => compare(b.seq, a.seq));
    for (const mark of sorted.slice(0, MOST_LISTED)) this.#history.newest(this.conversation(keyOf(mark.with)));
  }

  #pageArrived(conversation, { messages, more }, place) {
    const page = messages.map((data) => this.#message(data));
    for (const message of page) if (message.own && message.id) this.#settledByHistory(message);
    conversation.addPage(page, more, place);
    this.#keepName(conversation);
    // Messages from before the first visit are not new; in an empty room, all later ones are.
    if (conversation.key === LOBBY && conversation.read === null) {
      this.#mark(conversation, conversation.newest?.seq ?? "0-0");
    }
    this.emit("conversations");
  }

  /** One of our messages was stored though its acknowledgement never came. */
  #settledByHistory({ id }) {
    if (this.outbox.get(id)) {
      this.#remember(id);
      this.outbox.settle(id);
    }
  }

  // ------------------------------------------------------------ errors

  #error(data) {
    if (data.code === CODE.GONE) this.#gap(data);
    else if (data.id) this.outbox.refuse(data.id, data);
    else {
      if (data.code === CODE.TOO_FAST) this.outbox.hold(data.retryAfter);
      this.#requests.failed(data);
    }
  }

  /** The server no longer has some of the next messages: go on from where it says. */
  #gap({ rooms = {}, inbox }) {
    for (const [room, seq] of Object.entries(rooms ?? {})) {
      this.#positions.restart(room, seq);
      this.#showGap(this.conversation(room), seq);
    }
    if (!inbox) return;
    this.#positions.restart(null, inbox);
    for (const conversation of this.conversations.values()) {
      if (conversation.peer !== null) this.#showGap(conversation, inbox);
    }
  }

  #showGap(conversation, seq) {
    conversation.gaps.add(seq);
    this.emit("messages", conversation.key);
  }
}
