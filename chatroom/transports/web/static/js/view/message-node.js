// One message, divider or unsent message as a node. What others wrote becomes text, never markup.

import { parse } from "../base/text.js";
import { avatar, h, icon } from "../browser/dom.js";
import { day, doing, fullTime, t, time } from "../browser/i18n.js";

const ONLY_EMOJI = /^[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u200D\uFE0F\s]{1,20}$/u;

/** The text of a message, with all that `parse` knows. */
function bubble(content) {
  const node = h("div", { class: ONLY_EMOJI.test(content) ? "bubble emoji" : "bubble", dir: "auto" });
  for (const block of parse(content)) node.append(blockNode(block));
  return node;
}

function blockNode({ type, text, parts, first, items }) {
  if (type === "code") {
    // It scrolls sideways, so it has to be reached by keyboard.
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
 * A message that the server has. `head`: the first of its author's in a row. `inRoom`: names are
 * shown, and lead to the person by `openPerson`.
 */
export function messageNode(message, { head, inRoom, name, openPerson }) {
  const node = h("li", {
    class: `message${message.own ? " own" : ""}${head ? " head" : ""}`,
    dataset: { seq: message.seq, state: "sent", user: message.userId },
    // By a tap or the arrow keys, which show its time.
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

/** A message that the server does not have yet, or refused. */
export function pendingNode(entry, { underWay, retry, discard }) {
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

export function dayNode(ms) {
  return h("li", { class: "divider day" }, h("span", {}, day(ms)));
}

export function lineNode() {
  return h("li", { class: "divider new", id: "new-line" }, h("span", {}, t("newMessages")));
}

export function gapNode() {
  return h("li", { class: "divider gap" }, h("span", {}, t("gap")));
}
