// The chat: which conversation and which pane is shown, the address, focus and keys.

import { $, h } from "./dom.js";
import { number, onLanguage, t } from "./i18n.js";
import * as notify from "./notify.js";
import * as prefs from "./prefs.js";
import { ComposerView } from "./view-composer.js";
import { ConnectionView } from "./view-connection.js";
import * as dialogs from "./view-dialogs.js";
import { MessagesView } from "./view-messages.js";
import { SidebarView, lobbySign, personSign } from "./view-sidebar.js";
import { LOBBY, keyOf, peerOf } from "./wire.js";

const wide = matchMedia("(min-width: 760px)");
/** Wide enough for the people to stand beside the messages. */
const widest = matchMedia("(min-width: 1160px)");
const hasKeyboard = matchMedia("(hover: hover)");

export class ChatView {
  #client;
  #over = new AbortController();
  #key = LOBBY;
  #frame = $("chat");
  #people = null;

  /** `leave()` is called once the person has logged out; `held()` counts what would be lost by it. */
  constructor(client, { leave, held }) {
    this.#client = client;
    const { signal } = this.#over;
    const open = (key) => this.go(`#/${key}`);
    this.connection = new ConnectionView(client, { signal });
    this.messages = new MessagesView(client, { signal, openPerson: (id) => this.#openPerson(id) });
    this.composer = new ComposerView(client, { signal, said: () => this.messages.said() });
    this.sidebar = new SidebarView(client, { signal, open });
    notify.start(client, { signal, current: () => this.#key, open });
    dialogs.start(client, { signal, leave, held });
    const unlisten = ["people", "me", "state", "conversations"].map((name) => client.on(name, () => this.#drawHeader()));
    unlisten.push(onLanguage(() => this.#drawHeader()));
    signal.addEventListener("abort", () => unlisten.forEach((end) => end()));
    this.#listen(signal);
    this.#frame.hidden = false;
    this.#showPeople(prefs.get("people") !== false);
    this.#route({ focus: true });
  }

  close() {
    this.#over.abort();
    this.#frame.hidden = true;
  }

  /** Goes to an address: a conversation, the people, or the list. */
  go(hash) {
    if (location.hash !== hash) history.pushState({ inside: true }, "", hash || location.pathname);
    this.#route({ focus: true });
  }

  #listen(signal) {
    const on = (target, name, call) => target.addEventListener(name, call, { signal });
    on(window, "popstate", () => this.#route({ focus: true }));
    on(window, "keydown", (event) => this.#pressed(event));
    on($("back"), "click", () => this.#back());
    on($("close-people"), "click", () => this.#closePeople());
    on($("open-people"), "click", () => this.#openPeople());
    on($("toggle-people"), "click", () => (this.#peopleAreShown ? this.#closePeople() : this.#openPeople()));
    on($("skip"), "click", (event) => {
      event.preventDefault();
      this.#openRoom();
      this.composer.focus();
    });
    for (const query of [wide, widest]) on(query, "change", () => this.#route({ focus: false }));
  }

  /** What the address says is shown. */
  #route({ focus }) {
    const name = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
    const key = name === LOBBY || peerOf(name) !== null ? name : null;
    const pane = name === "people" && !widest.matches ? "people" : key || wide.matches ? "room" : "list";
    this.#frame.dataset.pane = pane;
    if (key !== null || !this.#started) this.#show(key ?? this.#key);
    this.#peopleChanged();
    this.sidebar.update();
    if (focus) this.#focus(pane);
  }

  #started = false;

  #show(key) {
    if (this.#started && key === this.#key) {
      // The pane may have been hidden: what is seen by showing it is seen now.
      this.messages.update();
      return;
    }
    this.#started = true;
    this.#key = key;
    this.#client.open(key);
    this.#drawHeader();
    this.sidebar.show(key);
    this.messages.show(key);
    this.composer.show(key);
  }

  #drawHeader() {
    const { connection, people } = this.#client;
    const online = connection.state === "online";
    const count = online ? t("peopleCount", { count: number(people.roster.online) }) : "";
    $("people-count").textContent = count || t("people");
    if (online && !this.#people) this.#withPeople(() => {});
    const { peer } = this.#client.conversation(this.#key);
    if (peer === null) {
      $("room-avatar").replaceChildren(lobbySign());
      $("room-title").textContent = t("lobby");
      $("room-subtitle").textContent = count;
    } else {
      const name = this.#client.people.nameOf(peer) || t("user", { id: peer });
      const status = this.#client.people.statusOf(peer);
      const words = { 0: t("online"), 1: t("offline"), 2: t("busy") };
      $("room-avatar").replaceChildren(personSign(peer, name, status));
      $("room-title").replaceChildren(h("bdi", {}, name));
      $("room-subtitle").textContent = [t("userNumber", { id: peer }), words[status]].filter(Boolean).join(" · ");
    }
    $("messages").setAttribute("aria-label", peer === null ? t("messages") : t("messagesWith", { name: $("room-title").textContent }));
  }

  #focus(pane) {
    if (document.querySelector("dialog[open]")) return;
    if (pane === "people") this.#withPeople((people) => people.focus());
    else if (pane === "list") this.sidebar.focus();
    else if (hasKeyboard.matches) this.composer.focus();
    else $("messages").focus({ preventScroll: true, focusVisible: false });
  }

  #openPerson(userId) {
    // One comes back to the list, not to the search.
    if (this.#frame.dataset.pane === "people") history.replaceState(history.state, "", location.pathname);
    this.go(`#/${keyOf(userId)}`);
  }

  #openRoom() {
    if (this.#frame.dataset.pane !== "room") this.go(`#/${this.#key}`);
  }

  /** Back to the list, by the browser's own history where that is where one came from. */
  #back() {
    if (history.state?.inside) history.back();
    else {
      history.replaceState(null, "", location.pathname);
      this.#route({ focus: true });
    }
  }

  // ------------------------------------------------------------ people

  get #peopleAreShown() {
    return widest.matches ? this.#frame.dataset.people === "shown" : this.#frame.dataset.pane === "people";
  }

  /** Their part of the page is fetched when it is first shown, or else once one is connected. */
  async #withPeople(call) {
    const { signal } = this.#over;
    this.#people ??= import("./view-people.js").then(
      ({ PeopleView }) => new PeopleView(this.#client, { signal, open: (id) => this.#openPerson(id) }),
      // Without a connection there is nobody to show; with one it is tried again.
      () => (this.#people = null),
    );
    const people = await this.#people;
    if (people && !signal.aborted) call(people);
  }

  #openPeople() {
    if (widest.matches) {
      this.#showPeople(true);
      this.#withPeople((people) => people.focus());
    } else this.go("#/people");
  }

  #closePeople() {
    if (widest.matches) {
      this.#showPeople(false);
      $("toggle-people").focus();
    } else this.#back();
  }

  #showPeople(shown) {
    prefs.set("people", shown);
    this.#frame.dataset.people = shown ? "shown" : "hidden";
    this.#peopleChanged();
  }

  #peopleChanged() {
    $("toggle-people").setAttribute("aria-expanded", String(this.#peopleAreShown));
    if (this.#peopleAreShown) this.#withPeople((people) => people.update());
  }

  // ------------------------------------------------------------ keys

  #pressed(event) {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "F6") {
      event.preventDefault();
      this.#nextRegion(event.shiftKey ? -1 : 1);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const key = this.sidebar.neighbour(event.key === "ArrowUp" ? -1 : 1);
      if (key !== null) this.go(`#/${key}`);
    } else if (event.key === "Escape" && $("people").contains(document.activeElement)) {
      this.#withPeople((people) => people.clear() || this.#closePeople());
    } else if (this.#writes(event)) {
      // The focus moves before the key does what it does: it is typed there.
      this.composer.focus();
    } else if (event.key === "Escape" && !$("jump").hidden) this.messages.toEnd();
  }

  /** A key that writes or pastes, while the messages, or nothing, have the focus. */
  #writes(event) {
    const at = document.activeElement;
    if (event.defaultPrevented || this.#frame.dataset.pane !== "room") return false;
    if (at !== document.body && !$("messages").contains(at)) return false;
    const { key, keyCode } = event;
    if ((event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph")) return key === "v";
    // A blank scrolls; 229 is an input method's.
    return keyCode === 229 || (key.length === 1 && key !== " " && key !== "?");
  }

  #nextRegion(step) {
    const regions = [...document.querySelectorAll("[data-region]")].filter((node) => node.getClientRects().length);
    const at = regions.findIndex((node) => node.contains(document.activeElement));
    const next = regions[(at + step + regions.length) % regions.length] ?? regions[0];
    const focus = { sidebar: this.sidebar, room: this.composer };
    if (next.id === "people") this.#withPeople((people) => people.focus());
    else focus[next.id].focus();
  }
}
