// The user, and the conversations with their unread messages.

import { summary } from "../base/text.js";
import { LOBBY } from "../base/wire.js";
import { $, arrange, avatar, eachFrame, h, icon } from "../browser/dom.js";
import { brief, number, onDay, onLanguage, t } from "../browser/i18n.js";
import { onKeys } from "../browser/keys.js";

/** A person's picture with a dot for the status; null: it is not known. */
export function personSign(userId, name, status) {
  return h("span", { class: "dot", dataset: { status: status ?? "" } }, avatar(userId, name));
}

export function lobbySign() {
  return h("span", { class: "avatar room-sign", "aria-hidden": "true" }, icon("lobby"));
}

/** A count, short enough to be read at a glance. */
function shortCount(conversation) {
  const count = conversation.unread;
  if (count > 99) return "99+";
  return number(count) + (count > 0 && conversation.unreadOpenEnded ? "+" : "");
}

export class SidebarView {
  #client;
  #open;
  #current = LOBBY;
  #list = $("conversations");
  #rows = new Map();

  constructor(client, { signal, open }) {
    this.#client = client;
    this.#open = open;
    this.update = eachFrame(() => !signal.aborted && this.#draw());
    onKeys(this.#list, (event) => this.#pressed(event), { signal });
    $("status-switch").addEventListener("change", (event) => this.#setStatus(event.target), { signal });
    // It may have been set on another device, which the server does not report.
    addEventListener("focus", () => client.people.lookUp(client.me.userId).catch(() => {}), { signal });
    const unlisten = ["conversations", "people", "me", "state"].map((name) => client.on(name, this.update));
    unlisten.push(onLanguage(() => this.#redraw()), onDay(this.update));
    signal.addEventListener("abort", () => {
      for (const end of unlisten) end();
      this.#list.replaceChildren();
    });
  }

  show(key) {
    this.#current = key;
    this.#draw();
  }

  /** The conversation so many places further down in the list. */
  neighbour(step) {
    const keys = this.#client.listed().map((conversation) => conversation.key);
    return keys[keys.indexOf(this.#current) + step] ?? null;
  }

  focus() {
    this.#list.querySelector("[tabindex='0']")?.focus();
  }

  async #setStatus(select) {
    if (!(await this.#client.people.setStatus(Number(select.value)))) this.#draw();
  }

  #redraw() {
    this.#rows.clear();
    this.update();
  }

  #draw() {
    this.#drawMe();
    const { connection, people } = this.#client;
    const online = connection.state === "online";
    $("people-count").textContent = online ? t("peopleCount", { count: number(people.roster.online) }) : t("people");
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const rows = new Map();
    for (const conversation of this.#client.listed()) {
      const row = this.#describe(conversation);
      const signature = JSON.stringify(row);
      const known = this.#rows.get(conversation.key);
      rows.set(conversation.key, known?.signature === signature ? known : { signature, node: this.#row(row) });
    }
    this.#rows = rows;
    arrange(this.#list, [...rows.values()].map(({ node }) => node));
    if (focused && document.activeElement?.dataset.key !== focused) this.#focusOn(focused);
  }

  #drawMe() {
    const { me, connection } = this.#client;
    const signature = JSON.stringify([me, connection.state]);
    const name = $("me-name");
    if (name.dataset.signature === signature) return;
    name.dataset.signature = signature;
    name.replaceChildren(h("bdi", {}, me.userName));
    const status = connection.state === "online" ? me.userStatus : 1;
    $("me-avatar").replaceChildren(personSign(me.userId, me.userName, status));
    $("status-switch").value = String(me.userStatus);
    $("status-switch").disabled = connection.state !== "online";
  }

  #describe(conversation) {
    const { key, peer } = conversation;
    const pending = this.#client.outbox.of(key);
    const last = pending.at(-1) ?? conversation.newest;
    const text = last ? summary(last.text ?? last.content) : "";
    const own = last && (last.own || last.text !== undefined);
    const author = own ? t("you") : peer === null && last ? last.userName : "";
    // The draft of the open conversation is on the screen already.
    const open = key === this.#current && $("room").getClientRects().length > 0;
    const draft = open ? "" : summary(this.#client.drafts.of(key));
    const name = peer === null ? t("lobby") : this.#client.people.nameOf(peer) || t("user", { id: peer });
    const when = last ? brief(last.at ?? last.sentAt) : "";
    const status = peer === null ? null : this.#client.people.statusOf(peer);
    const failed = pending.some((entry) => entry.state === "failed");
    const { unread } = conversation;
    const flagged = this.#client.isFlagged(key);
    const badge = unread ? shortCount(conversation) : flagged ? "•" : "";
    return { key, peer, name, author, text, when, status, unread, flagged, badge, failed, draft, current: key === this.#current };
  }

  #row({ key, peer, name, author, text, when, status, unread, flagged, badge, failed, draft, current }) {
    const badgeName = unread ? t("unread", { count: badge }) : t("markedUnread");
    const last = h("span", { class: "last one-line" });
    if (draft) last.append(h("span", { class: "draft" }, t("draft"), ": "), h("bdi", {}, draft));
    else if (author) last.append(h("bdi", {}, author), ": ");
    if (!draft) last.append(text ? h("bdi", {}, text) : t("noMessages"));
    const states = { 0: "online", 1: "offline", 2: "busy" };
    const button = h(
      "button",
      {
        class: "conversation",
        type: "button",
        tabindex: current ? "0" : "-1",
        "aria-current": current ? "true" : null,
        dataset: { key, peer: peer ?? LOBBY, unread, flagged },
        onclick: () => this.#open(key),
      },
      peer === null ? lobbySign() : personSign(peer, name, status),
      h(
        "span",
        { class: "who" },
        h(
          "span",
          { class: "line" },
          h("span", { class: "name one-line" }, h("bdi", {}, name)),
          status === null ? null : h("span", { class: "visually-hidden" }, t(states[status])),
          h("span", { class: "when" }, when),
        ),
        h(
          "span",
          { class: "line" },
          last,
          failed ? icon("warning") : null,
          badge ? h("span", { class: "badge", "aria-label": badgeName, role: "img" }, badge) : null,
        ),
      ),
    );
    return h("li", {}, button);
  }

  #focusOn(key) {
    this.#list.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }

  /** Arrow keys move among the conversations, Enter opens one. */
  #pressed(event) {
    const buttons = [...this.#list.querySelectorAll("button")];
    const at = buttons.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || event.altKey || !buttons[to]) return;
    event.preventDefault();
    buttons[at]?.setAttribute("tabindex", "-1");
    buttons[to].setAttribute("tabindex", "0");
    buttons[to].focus();
  }
}
