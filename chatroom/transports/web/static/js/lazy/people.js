// The list of online users, with search. They may be thousands: only the visible rows are in the page,
// and in a crowd, users are requested page by page, as far as the person scrolls.

import { STATUS } from "../base/wire.js";
import { $, eachFrame, h } from "../browser/dom.js";
import { collator, number, onLanguage, t } from "../browser/i18n.js";
import { onKeys } from "../browser/keys.js";
import { VirtualList } from "../browser/virtual-list.js";
import { personSign } from "../view/sidebar.js";

/** In rem. */
const ROW_HEIGHT = 3.5;
/** When the server sends no presence notices, the users shown are requested again, so many at once. */
const REFRESHED = 100;

export class PeopleView {
  #client;
  #open;
  #signal;
  #search = $("people-search");
  #box = $("people-list");
  #list;
  #items = [];
  #active = -1;
  #loading = false;
  #shown = [0, 0];

  constructor(client, { signal, open }) {
    this.#client = client;
    this.#open = open;
    this.#signal = signal;
    this.#box.replaceChildren();
    this.#list = new VirtualList(this.#box, {
      rowHeight: ROW_HEIGHT,
      render: (person, index) => this.#row(person, index),
      seen: (first, last) => this.#seen(first, last),
    });
    this.update = eachFrame(() => !signal.aborted && this.#draw());
    const listen = (target, name, call) => target.addEventListener(name, call, { signal });
    listen(this.#search, "input", () => this.#searched());
    for (const target of [this.#search, this.#box]) onKeys(target, (event) => this.#pressed(event), { signal });
    listen(this.#box, "click", (event) => {
      const row = event.target.closest(".person[data-user]");
      if (row) this.#choose(Number(row.dataset.user));
    });
    const unlisten = [
      client.on("people", this.update),
      // The server sent only the count: the users on the screen may have changed.
      client.on("counted", () => this.#refresh()),
      client.on("me", this.update),
      client.on("state", this.update),
      onLanguage(() => {
        this.#list.refresh();
        this.update();
      }),
    ];
    signal.addEventListener("abort", () => {
      for (const end of unlisten) end();
      this.#search.value = "";
    });
    // The text that was typed before this module was loaded.
    this.#searched();
  }

  get #query() {
    return this.#search.value.trim().toLocaleLowerCase();
  }

  #draw() {
    const { roster } = this.#client.people;
    const online = this.#client.connection.state === "online";
    const count = online ? t("peopleCount", { count: number(roster.online) }) : t("people");
    $("people-title").textContent = count;
    const query = this.#query;
    const everyone = roster.list(collator());
    this.#items = (query ? this.#found(everyone, query) : everyone).map((person) => ({
      person,
      key: `${person.userId} ${person.userStatus} ${person.userName}`,
    }));
    const unknown = query || roster.complete ? 0 : Math.max(0, roster.online - everyone.length);
    this.#list.show(this.#items, this.#items.length + unknown);
    this.#activate(Math.min(this.#active, this.#items.length - 1));
    this.#note(query, everyone.length);
    if (query && !roster.complete) this.#loadMore();
  }

  #found(everyone, query) {
    const { people } = this.#client;
    const matches = ({ userId, userName }) =>
      userName.toLocaleLowerCase().includes(query) || String(userId).startsWith(query);
    const found = everyone.filter(matches);
    // People in one's conversations are found even if they are not online.
    for (const { peer: userId } of this.#client.listed()) {
      if (userId === null || people.roster.get(userId)) continue;
      const person = { userId, userName: people.nameOf(userId), userStatus: people.statusOf(userId) };
      if (person.userName && matches(person)) found.push(person);
    }
    // A user who is not online can still be written to, by number.
    const id = /^[1-9]\d{0,15}$/.test(query) ? Number(query) : 0;
    if (id && id <= Number.MAX_SAFE_INTEGER && !found.some(({ userId }) => userId === id)) {
      found.push({ userId: id, userName: "", userStatus: people.statusOf(id) ?? STATUS.OFFLINE, absent: true });
    }
    return found;
  }

  #note(query, known) {
    const { roster } = this.#client.people;
    let note = "";
    if (query && !roster.complete) {
      note = t("searchingPeople", { known: number(known), count: number(roster.online) });
    } else if (query && !this.#items.length) note = t("nobodyFound");
    if ($("people-note").textContent !== note) $("people-note").textContent = note;
  }

  #row(item, index) {
    const props = { class: "person", role: "option", id: `person-${index}`, "aria-selected": String(index === this.#active) };
    if (!item) {
      return h("div", { ...props, class: "person unknown", "aria-disabled": "true" }, t("loadingPerson"));
    }
    const { userId, userName, userStatus, absent } = item.person;
    const name = userName || this.#client.people.nameOf(userId);
    const self = userId === this.#client.me.userId;
    const number = t("userNumber", { id: userId });
    const status = absent ? null : { [STATUS.OFFLINE]: t("offline"), [STATUS.BUSY]: t("busy") }[userStatus];
    return h(
      "div",
      { ...props, dataset: { user: userId, status: userStatus } },
      personSign(userId, name, absent ? null : userStatus),
      h(
        "span",
        { class: "who" },
        h("span", { class: "name one-line" }, absent ? t("writeTo", { id: userId }) : h("bdi", {}, name),
          self ? ` (${t("youMark")})` : null),
        h("span", { class: "quiet one-line" }, absent ? name : [number, status].filter(Boolean).join(" · ")),
      ),
    );
  }

  #seen(first, last) {
    this.#shown = [first, last];
    this.#activate(this.#active);
    if (last > this.#items.length && !this.#query) this.#loadMore();
  }

  async #loadMore() {
    if (this.#loading || this.#client.people.roster.complete || this.#client.connection.state !== "online") return;
    this.#loading = true;
    try {
      await this.#client.people.loadMore();
    } catch {
      // The connection was lost: the next login brings a new list.
    }
    this.#loading = false;
    if (!this.#signal.aborted) this.update();
  }

  #refresh() {
    const first = this.#items[this.#shown[0]]?.person;
    if (!first || !this.#client.people.roster.partial || !this.#box.clientHeight) return;
    this.#client.people.refresh(first.userId, REFRESHED).catch(() => {});
  }

  #searched() {
    this.#active = this.#query ? 0 : -1;
    this.#box.scrollTop = 0;
    this.#box.toggleAttribute("data-searching", this.#query !== "");
    this.#draw();
  }

  #choose(userId) {
    this.#search.value = "";
    this.#searched();
    this.#open(userId);
  }

  #activate(index) {
    this.#list.node(this.#active)?.setAttribute("aria-selected", "false");
    this.#active = index;
    const node = index < 0 ? null : this.#list.node(index);
    node?.setAttribute("aria-selected", "true");
    for (const target of [this.#box, this.#search]) {
      if (node?.isConnected) target.setAttribute("aria-activedescendant", node.id);
      else target.removeAttribute("aria-activedescendant");
    }
  }

  #pressed(event) {
    const last = this.#items.length - 1;
    const page = this.#list.page;
    const moves = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
    };
    if (event.currentTarget === this.#box) Object.assign(moves, { Home: 0, End: last });
    if (event.altKey) return;
    if (event.key === "Enter" && this.#items[this.#active]) {
      event.preventDefault();
      this.#choose(this.#items[this.#active].person.userId);
    } else if (event.key in moves && last >= 0) {
      event.preventDefault();
      const index = Math.max(0, Math.min(last, moves[event.key]));
      this.#list.reveal(index);
      this.#activate(index);
    }
  }
}
