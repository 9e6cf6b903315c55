// The messages of a conversation as nodes, with the lines that divide them. What others wrote becomes
// text, never markup.

import { grouping } from "../base/groups.js";
import { compare, newer } from "../base/seq.js";
import { parse } from "../base/text.js";
import { avatar, h, icon } from "../browser/dom.js";
import { day, dayOf, doing, fullTime, t, time } from "../browser/i18n.js";

const sameDay = (a, b) => dayOf(a.sentAt) === dayOf(b.sentAt);
const ONLY_EMOJI = /^[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u200D\uFE0F\s]{1,20}$/u;

/** The text of a message, with all that `parse` knows. */
function bubble(content) {
  const node = h("div", { class: ONLY_EMOJI.test(content) ? "bubble emoji" : "bubble", dir: "auto" });
  for (const block of parse(content)) node.append(blockNode(block));
  return node;
}

function blockNode({ type, text, parts, first, items }) {
  if (type === "code") {
    // It scrolls sideways, so the keyboard must be able to focus it.
    const props = { tabindex: "0", dir: "ltr", role: "group", "aria-label": t("code") };
    return h("pre", props, h("code", {}, text));
  }
  if (type === "list") {
    const entries = items.map((item) => h("li", { dir: "auto" }, ...item.map(part)));
    return first === null ? h("ul", {}, ...entries) : h("ol", { start: String(first) }, ...entries);
  }
  return h(type === "quote" ? "blockquote" : "p", { dir: "auto" }, ...parts.map(part));
}

function part({ type, text, href, parts }) {
  if (type === "text") return text;
  if (type === "code") return h("code", { dir: "auto" }, text);
  if (type === "link") return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow", title: href }, h("bdi", {}, text));
  return h(type, {}, ...parts.map(part));
}

function timeNode(ms, props) {
  const node = h("time", { title: fullTime(ms), ...props }, time(ms));
  node.dateTime = new Date(ms).toISOString();
  return node;
}

/**
 * A message that the server has. `head`: it is the first of its group. `inRoom`: names are shown, and
 * a click on one calls `openPerson`.
 */
function messageNode(message, { head, inRoom, name, openPerson }) {
  const node = h("li", {
    class: `message${message.own ? " own" : ""}${head ? " head" : ""}`,
    dataset: { seq: message.seq, state: "sent", user: message.userId },
    // A tap or the arrow keys focus it, which shows its time.
    tabindex: "-1",
  });
  const shown = message.own ? t("you") : name;
  if (!head) {
    node.append(h("span", { class: "visually-hidden" }, h("bdi", {}, shown), " "), timeNode(message.sentAt, { class: "at" }));
  } else if (inRoom && !message.own) {
    const author = h("button", { class: "author one-line", type: "button" }, h("bdi", {}, name));
    author.addEventListener("click", () => openPerson(message.userId));
    node.append(
      avatar(message.userId, name, "avatar small"),
      h("div", { class: "byline" }, author, timeNode(message.sentAt)),
    );
  } else {
    const author = h("span", { class: "visually-hidden" }, h("bdi", {}, shown), " ");
    node.append(h("div", { class: "byline" }, author, timeNode(message.sentAt)));
  }
  node.append(bubble(message.content));
  return node;
}

/** Why a message was refused, in words. */
function reason({ code, words }) {
  if (words) return doing(words) || t("reasonOther", { code });
  return [400, 404, 413, 507].includes(code) ? t(`reason${code}`) : t("reasonOther", { code });
}

/** A message that the server does not have yet, or has refused. */
function pendingNode(entry, { underWay, retry, discard }) {
  const failed = entry.state === "failed";
  const fate = h("div", { class: "fate" }, icon(failed ? "warning" : "clock"));
  if (failed) {
    const button = (name, call) =>
      h("button", { class: "link", type: "button", dataset: { action: name }, onclick: () => call(entry.id) }, t(name));
    fate.append(`${t("sendFailed")}: ${reason(entry)}`, button("retry", retry), button("discard", discard));
  } else {
    fate.append(underWay ? t("sending") : t("waiting"));
  }
  const props = { class: "message own", dataset: { id: entry.id, state: entry.state } };
  return h("li", props, h("span", { class: "visually-hidden" }, `${t("you")} `), bubble(entry.text), fate);
}

function dayNode(ms) {
  return h("li", { class: "divider day" }, h("span", {}, day(ms)));
}

function lineNode() {
  return h("li", { class: "divider new", id: "new-line" }, h("span", {}, t("newMessages")));
}

function gapNode() {
  return h("li", { class: "divider gap" }, h("span", {}, t("gap")));
}

/** Makes the nodes of messages; a node that was made before is used again. */
export class MessageNodes {
  #client;
  #openPerson;
  #nodes = new Map();

  constructor(client, openPerson) {
    this.#client = client;
    this.#openPerson = openPerson;
  }

  /** Makes all nodes again: the conversation or the language has changed. */
  forget() {
    this.#nodes.clear();
  }

  /** The line above the new messages, if it is among the last nodes. */
  get line() {
    return this.#nodes.get("line");
  }

  /**
   * Nodes for the messages from `start` to before `end`, in order. `line`: the place before which that
   * line is put, or null; `withPending`: unsent messages are added at the end.
   */
  of(conversation, { start, end, line, withPending }) {
    const nodes = new Map();
    const put = (key, make) => nodes.set(key, this.#nodes.get(key) ?? make());
    const inRoom = conversation.peer === null;
    const gaps = [...conversation.gaps];
    const isFirst = grouping(conversation.messages, start, sameDay);
    for (let i = start; i < end; i += 1) {
      const message = conversation.messages[i];
      const earlier = conversation.messages[i - 1];
      const newDay = !earlier || !sameDay(earlier, message);
      const gap = gaps.find((seq) => earlier && newer(seq, earlier.seq) && compare(seq, message.seq) <= 0);
      const atLine = message.seq === line;
      if (gap) put(`gap ${gap}`, gapNode);
      // The key has its words, as today is another day tomorrow, and its message, as a day can come twice
      // after a clock was set.
      if (newDay) put(`day ${day(message.sentAt)} ${message.seq}`, () => dayNode(message.sentAt));
      if (atLine) put("line", lineNode);
      const head = isFirst(i, gap !== undefined || atLine);
      const name = message.own ? "" : this.#nameOf(message);
      put(`${message.seq} ${head} ${name}`, () =>
        messageNode(message, { head, inRoom, name, openPerson: this.#openPerson }));
    }
    if (withPending) this.#putPending(conversation.key, put);
    this.#nodes = nodes;
    return [...nodes.values()];
  }

  #putPending(key, put) {
    const { connection, outbox } = this.#client;
    const underWay = connection.state === "online";
    for (const entry of outbox.of(key)) {
      put(`${entry.id} ${entry.state} ${underWay}`, () =>
        pendingNode(entry, {
          underWay,
          retry: (id) => outbox.retry(id),
          discard: (id) => outbox.discard(id),
        }));
    }
  }

  #nameOf(message) {
    return message.userName || this.#client.people.nameOf(message.userId) || t("user", { id: message.userId });
  }
}
