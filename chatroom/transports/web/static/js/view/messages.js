// The messages of the open conversation. Only a part of them is in the page: it moves along with
// scrolling, and whatever changes, the messages on the screen stay where they are.

import { newer, search } from "../base/seq.js";
import { LOBBY } from "../base/wire.js";
import { $, arrange, eachFrame } from "../browser/dom.js";
import { number, onDay, onLanguage, t } from "../browser/i18n.js";
import { onKeys } from "../browser/keys.js";
import { Place } from "../browser/place.js";
import { MessageNodes } from "./message-nodes.js";
import { drawTop } from "./messages-top.js";

/** About how many messages are in the page at most, and by how many the part moves. */
const MOST = 60;
const STEP = 10;
/** Pixels: this near to the end of the part, more messages are put into the page. */
const NEAR = 900;
/** Pixels from the newest message within which the reader still counts as being there. */
const AT_END = 48;

export class MessagesView {
  #client;
  #scroller = $("messages");
  #list = $("message-list");
  #top = $("messages-top");
  #jump = $("jump");
  #place = new Place(this.#scroller, this.#list);
  #key = LOBBY;
  #nodes;
  /** The part in the page: from one place (null: as many as fit) to another (null: the newest). */
  #first = null;
  #last = null;
  /** Whether the reader is at the newest message, and stays there when another comes. */
  #atEnd = true;
  #seenTo = null;
  /** The line above the new messages is before this place. */
  #line = null;
  #arriving = true;

  constructor(client, { signal, openPerson }) {
    this.#client = client;
    this.#nodes = new MessageNodes(client, openPerson);
    this.update = eachFrame(() => !signal.aborted && this.#draw());
    const listen = (target, name, call) => target.addEventListener(name, call, { signal, passive: true });
    listen(this.#scroller, "scroll", () => this.#scrolled());
    listen(this.#jump, "click", () => this.toEnd());
    for (const name of ["focus", "blur"]) listen(window, name, () => this.#see());
    listen(document, "visibilitychange", () => this.#see());
    onKeys(this.#scroller, (event) => this.#pressed(event), { signal });
    // Rotated, zoomed, another text size: the messages on the screen stay where they were.
    const resized = new ResizeObserver(() => this.#stay());
    resized.observe(this.#scroller);
    resized.observe(this.#list);
    const unlisten = [
      client.on("messages", (key) => key === this.#key && this.update()),
      client.on("state", () => this.update()),
      client.on("arrived", (arrival) => this.#arrived(arrival)),
      onLanguage(() => this.#redraw()),
      onDay(this.update),
    ];
    signal.addEventListener("abort", () => {
      resized.disconnect();
      for (const end of unlisten) end();
      this.#list.replaceChildren();
    });
  }

  /** Open another conversation. */
  show(key) {
    this.#key = key;
    this.#line = null;
    this.#arriving = true;
    this.#place.leave();
    this.#reset();
    this.#nodes.forget();
    this.#list.replaceChildren();
    this.#list.classList.toggle("in-room", this.#conversation.peer === null);
    this.#draw();
  }

  /** Scrolls to the newest message. */
  toEnd() {
    this.#reset();
    this.#draw();
    $("composer-text").focus({ preventScroll: true });
  }

  /** The person sent something, so they have seen the new messages. */
  said() {
    this.#line = null;
    this.#reset();
    this.update();
  }

  get #conversation() {
    return this.#client.conversation(this.#key);
  }

  get #attended() {
    return !document.hidden && document.hasFocus() && this.#scroller.getClientRects().length > 0;
  }

  #reset() {
    this.#first = null;
    this.#last = null;
    this.#atEnd = true;
  }

  #redraw() {
    this.#nodes.forget();
    this.update();
  }

  #arrived({ conversation, message }) {
    if (conversation.key !== this.#key || message.own || this.#client.catchingUp) return;
    const seenBefore = this.#line === null || !newer(this.#line, conversation.read);
    if (seenBefore && !(this.#attended && this.#atEnd)) this.#line = message.seq;
  }

  // ------------------------------------------------------------ drawing

  #draw() {
    const conversation = this.#conversation;
    const { messages } = conversation;
    const opening = this.#arriving && conversation.loaded;
    if (opening) this.#findLine(conversation);
    const [start, end] = this.#range(messages);
    const anchor = this.#atEnd ? null : this.#place.anchor;
    drawTop(this.#top, this.#client, conversation, start);
    const part = { start, end, line: this.#line, withPending: this.#last === null };
    arrange(this.#list, this.#nodes.of(conversation, part));
    if (opening) {
      this.#arriving = false;
      this.#scrollToLine();
    } else if (this.#atEnd) this.#scrollToEnd();
    else this.#place.hold(anchor);
    this.#place.keep();
    this.#see();
    this.#extend();
  }

  /** Which messages are in the page; narrows or widens what was there before. */
  #range(messages) {
    let end = this.#last === null ? messages.length : search(messages, this.#last) + 1;
    let start = this.#first === null ? end - MOST : search(messages, this.#first);
    if (this.#atEnd) start = Math.max(start, end - MOST - STEP);
    else if (end - start > 4 * MOST) {
      // Many messages come while the reader is at older ones: they wait outside the page.
      end = start + 3 * MOST;
      this.#last = messages[end - 1].seq;
    }
    start = Math.max(0, Math.min(start, messages.length - 1));
    this.#first = messages[start]?.seq ?? null;
    return [start, Math.min(end, messages.length)];
  }

  // ------------------------------------------------------------ scrolling

  get #below() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #findLine(conversation) {
    const first = conversation.firstUnread;
    if (!first) return;
    this.#line = first.seq;
    const at = search(conversation.messages, first.seq);
    if (conversation.messages.length - at <= MOST) return;
    this.#first = conversation.messages[Math.max(0, at - 20)].seq;
    this.#last = conversation.messages[Math.min(at + MOST, conversation.messages.length) - 1].seq;
  }

  /** Scrolls so that the new messages begin in the upper third. */
  #scrollToLine() {
    this.#scrollToEnd();
    const line = this.#nodes.line;
    if (line) {
      const top = line.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
      const third = this.#scroller.clientHeight / 3;
      if (top < third) this.#scroller.scrollTop += top - third;
    }
    this.#atEnd = this.#last === null && this.#below < AT_END;
  }

  #stay() {
    if (this.#atEnd) this.#scrollToEnd();
    else this.#place.hold(this.#place.anchor);
    this.#place.keep();
  }

  #scrolled() {
    if (this.#arriving) return;
    this.#place.keep();
    const was = this.#atEnd;
    this.#atEnd = this.#last === null && this.#below < AT_END;
    if (was !== this.#atEnd) this.#see();
    this.#extend();
  }

  /** Near an end of the part: adds messages there, and removes as many from the other end. */
  #extend() {
    const { messages } = this.#conversation;
    if (!messages.length || !this.#scroller.clientHeight) return;
    const start = this.#first === null ? 0 : search(messages, this.#first);
    const end = this.#last === null ? messages.length : search(messages, this.#last) + 1;
    const { scrollTop } = this.#scroller;
    const most = MOST + STEP;
    if (scrollTop < NEAR && start > 0 && !(this.#atEnd && end - start >= most)) {
      const from = Math.max(0, start - STEP);
      this.#first = messages[from].seq;
      if (end - from > most && this.#below > 2 * NEAR) this.#last = messages[from + most - 1].seq;
      this.update();
    } else if (this.#last !== null && this.#below < NEAR) {
      const to = Math.min(messages.length, end + STEP);
      this.#last = to === messages.length ? null : messages[to - 1].seq;
      if (to - start > most && scrollTop > 2 * NEAR) this.#first = messages[to - most].seq;
      this.update();
    }
    this.#fill(start);
  }

  /** Near the oldest message that is here: fetches older ones. */
  #fill(start) {
    const conversation = this.#conversation;
    const wanted = start === 0 && this.#scroller.scrollTop < NEAR && this.#scroller.clientHeight > 0;
    if (!wanted || !conversation.loaded || !conversation.more) return;
    if (conversation.failed !== undefined || this.#client.connection.state !== "online") return;
    if (!this.#client.isLoading(this.#key)) this.#client.loadOlder(this.#key);
  }

  /** Enter moves the focus from the list to its newest message, arrows from there to the others. */
  #pressed(event) {
    const at = event.target.closest(".message");
    const all = [...this.#list.querySelectorAll(".message")];
    const steps = { ArrowUp: -1, ArrowDown: 1 };
    const next = at === event.target ? all[all.indexOf(at) + steps[event.key]] : null;
    const to = event.target === this.#scroller && event.key === "Enter" ? all.at(-1) : next;
    if (!to || event.altKey) return;
    event.preventDefault();
    to.focus();
  }

  // ------------------------------------------------------------ what was seen

  #see() {
    const conversation = this.#conversation;
    const newest = conversation.newest?.seq ?? null;
    if (this.#atEnd && this.#attended && conversation.loaded && !this.#arriving) {
      this.#client.seen(this.#key);
    }
    if (this.#atEnd) this.#seenTo = newest;
    const { messages } = conversation;
    const from = this.#seenTo === null ? messages.length : search(messages, this.#seenTo) + 1;
    let count = 0;
    for (let i = from; i < messages.length; i += 1) if (!messages[i].own) count += 1;
    this.#jump.hidden = this.#atEnd;
    this.#jump.dataset.count = count;
    this.#jump.setAttribute("aria-label", t("toNewest"));
    const label = count ? t("toNewestCount", { count: number(count) }) : "";
    $("jump-text").textContent = label;
    if (label) this.#jump.removeAttribute("aria-label");
  }
}
