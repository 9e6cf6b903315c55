// The chat screen: which conversation and which pane is shown, the address, focus and keys.

import { LOBBY, keyOf, readAddress } from "../base/wire.js";
import { $, h } from "../browser/dom.js";
import { number, onLanguage, t } from "../browser/i18n.js";
import { composes, isField } from "../browser/keys.js";
import * as prefs from "../browser/prefs.js";
import { goneOn, tell } from "../browser/trouble.js";
import { ComposerView } from "./composer.js";
import { ConnectionView } from "./connection.js";
import { MessagesView } from "./messages.js";
import * as notify from "./notify.js";
import { SidebarView, lobbySign, personSign } from "./sidebar.js";

const wide = matchMedia("(min-width: 760px)");
/** Wide enough to show the people beside the messages. */
const widest = matchMedia("(min-width: 1160px)");
/** A device with a mouse has a keyboard, and so has one with nothing to point with. */
const hasKeyboard = matchMedia("(hover: hover), (pointer: none)");

/** A module that shows a form or a dialog, once everything that it needs is loaded. */
async function formed(module) {
  await (await import("../lazy/forms.js")).ready();
  return module;
}

export class ChatView {
  #client;
  #over = new AbortController();
  #key = LOBBY;
  #frame = $("chat");
  #drawTitle;
  #dialogs = null;

  /** `leave()` is called once the person has logged out; `held()` counts the messages lost by that. */
  constructor(client, { leave, held }) {
    this.#client = client;
    const { signal } = this.#over;
    const open = (key) => this.go(`#/${key}`);
    this.connection = new ConnectionView(client, { signal });
    this.messages = new MessagesView(client, { signal, openPerson: (id) => this.#openPerson(id) });
    this.composer = new ComposerView(client, { signal, said: () => this.#said() });
    this.sidebar = new SidebarView(client, { signal, open });
    this.#startPeople = async () => {
      const { PeopleView } = await import("../lazy/people.js");
      if (!signal.aborted) new PeopleView(client, { signal, open: (id) => this.#openPerson(id) });
    };
    this.#drawTitle = notify.start(client, { signal, current: () => this.#key, title: () => this.#title, open });
    this.#startDialogs = async () =>
      (await formed(import("../lazy/dialogs.js"))).start(client, { signal, leave, held });
    const unlisten = ["people", "me", "state", "conversations"].map((name) => client.on(name, () => this.#drawHeader()));
    unlisten.push(onLanguage(() => this.#drawHeader()));
    signal.addEventListener("abort", () => unlisten.forEach((end) => end()));
    this.#listen(signal);
    signal.addEventListener("abort", () => document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close()));
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
    on($("mark-unread"), "click", () => this.#markUnread());
    on($("open-settings"), "click", () => this.#openSettings());
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

  /** Shows what the address asks for. */
  #route({ focus }) {
    const wanted = readAddress(location.hash);
    const reopened = this.#started;
    if (wanted === null) {
      tell("addressWrong");
      history.replaceState(null, "", location.pathname);
    } else if (focus) goneOn();
    const { key = null, people = false } = wanted ?? {};
    const pane = people && !widest.matches ? "people" : key || wide.matches ? "room" : "list";
    this.#frame.dataset.pane = pane;
    if (key !== null || !this.#started) this.#show(key ?? this.#key);
    this.#peopleChanged();
    this.sidebar.update();
    this.#drawTitle();
    if (!focus) return;
    // A reload shows the conversation again; that does not count as opening it.
    if (key !== null && reopened) this.#client.flag(key, false);
    this.#focus(pane);
  }

  /** The name of what is on the screen; empty if that is only the list. */
  get #title() {
    const { pane } = this.#frame.dataset;
    if (pane === "people") return t("people");
    return pane === "room" ? $("room-title").textContent : "";
  }

  async #openSettings() {
    this.#dialogs ??= this.#startDialogs();
    const dialogs = await this.#dialogs.catch(() => null);
    if (this.#over.signal.aborted) return;
    if (dialogs) dialogs.open();
    else {
      this.#dialogs = null;
      tell("notLoaded");
    }
  }

  /** Marks the conversation as unread until it is opened again, and goes to the list. */
  #markUnread() {
    this.#client.flag(this.#key);
    if (!wide.matches) this.#back();
    else this.sidebar.focus();
  }

  #started = false;
  #startDialogs;
  #startPeople;

  #show(key) {
    if (this.#started && key === this.#key) {
      // The pane may have been hidden: its messages are seen only now.
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
    this.#drawTitle();
    $("messages").setAttribute("aria-label", peer === null ? t("messages") : t("messagesWith", { name: $("room-title").textContent }));
  }

  #focus(pane) {
    if (document.querySelector("dialog[open]")) return;
    if (pane === "people") $("people-search").focus();
    else if (pane === "list") this.sidebar.focus();
    else if (hasKeyboard.matches) this.composer.focus();
    else $("messages").focus({ preventScroll: true, focusVisible: false });
  }

  #said() {
    this.#client.flag(this.#key, false);
    this.messages.said();
  }

  #openPerson(userId) {
    // The person returns to the list, not to the search.
    if (this.#frame.dataset.pane === "people") history.replaceState(history.state, "", location.pathname);
    this.go(`#/${keyOf(userId)}`);
  }

  #openRoom() {
    if (this.#frame.dataset.pane !== "room") this.go(`#/${this.#key}`);
  }

  /** Back to the list, by the browser's history if the person came from there. */
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

  #openPeople() {
    if (widest.matches) {
      this.#showPeople(true);
      $("people-search").focus();
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

  /** Empties the search, or closes the people if it is empty. Their list may not be loaded yet. */
  #leaveSearch() {
    const search = $("people-search");
    if (!search.value) this.#closePeople();
    else {
      search.value = "";
      search.dispatchEvent(new Event("input"));
    }
  }

  #peopleChanged() {
    $("toggle-people").setAttribute("aria-expanded", String(this.#peopleAreShown));
    if (!this.#peopleAreShown || !this.#startPeople) return;
    const start = this.#startPeople;
    this.#startPeople = null;
    start().catch(() => {
      this.#startPeople = start;
      tell("notLoaded");
    });
  }

  // ------------------------------------------------------------ keys

  #pressed(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (this.#writes(event)) {
      // The focus moves before the key takes effect, so that it is typed there.
      this.composer.focus();
    } else if (composes(event)) return;
    else if (event.key === "F6") {
      event.preventDefault();
      this.#nextRegion(event.shiftKey ? -1 : 1);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const key = this.sidebar.neighbour(event.key === "ArrowUp" ? -1 : 1);
      if (key !== null) this.go(`#/${key}`);
    } else if (event.key === "?" && !isField(event.target)) {
      event.preventDefault();
      formed(import("../lazy/keys.js")).then(({ open }) => open(), () => tell("notLoaded"));
    } else if (event.key === "Escape" && $("people").contains(document.activeElement)) {
      event.preventDefault();
      this.#leaveSearch();
    } else if (event.key === "Escape" && !$("jump").hidden) this.messages.toEnd();
  }

  /** A key that writes or pastes, while the messages, or nothing, has the focus. */
  #writes(event) {
    const at = document.activeElement;
    if (event.defaultPrevented || this.#frame.dataset.pane !== "room") return false;
    if (at !== document.body && !$("messages").contains(at)) return false;
    const { key } = event;
    if ((event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph")) return key === "v";
    // An input method may start with this key. A blank scrolls, and a question mark lists the keys.
    return composes(event) || (key.length === 1 && !" ?".includes(key));
  }

  #nextRegion(step) {
    const regions = [...document.querySelectorAll("[data-region]")].filter((node) => node.getClientRects().length);
    const at = regions.findIndex((node) => node.contains(document.activeElement));
    const next = regions[(at + step + regions.length) % regions.length] ?? regions[0];
    if (next.id === "people") $("people-search").focus();
    else (next.id === "room" ? this.composer : this.sidebar).focus();
  }
}
