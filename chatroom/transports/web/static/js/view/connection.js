// The state of the connection; shows nothing while all is well.

import { $ } from "../browser/dom.js";
import { number, onLanguage, t } from "../browser/i18n.js";
import * as prefs from "../browser/prefs.js";

/** Milliseconds: a shorter break is not shown, as it would only flicker. */
const SETTLES = 600;

export class ConnectionView {
  #client;
  #bar = $("connection");
  #ticking = 0;
  #settling = 0;

  constructor(client, { signal }) {
    this.#client = client;
    const unlisten = [client.on("state", () => this.#draw()), onLanguage(() => this.#draw())];
    $("connection-retry").addEventListener("click", () => client.connection.retry(), { signal });
    const on = (name, call) => addEventListener(name, call, { signal });
    const wake = () => document.hidden || client.connection.wake();
    for (const name of ["pageshow", "focus", "visibilitychange"]) on(name, wake);
    // The browser's word is only a reason to check: the server may be on this very machine.
    on("online", () => client.connection.wake({ changed: true }));
    on("offline", () => client.connection.cut());
    signal.addEventListener("abort", () => {
      for (const end of unlisten) end();
      clearInterval(this.#ticking);
      clearTimeout(this.#settling);
    });
    this.#draw();
  }

  #draw() {
    const { connection, catchingUp, outbox } = this.#client;
    let { state } = connection;
    if (state === "online" && connection.probing) state = "checking";
    else if (state === "online" && catchingUp) state = "catching-up";
    if (state === "stopped") return;
    if (this.#bar.dataset.state !== state) {
      this.#bar.dataset.state = state;
      clearTimeout(this.#settling);
      const passing = state !== "online" && state !== "offline";
      // A bar that is shown already stays.
      if (passing && this.#bar.dataset.shown !== "true") {
        this.#settling = setTimeout(() => (this.#bar.dataset.shown = "true"), SETTLES);
      } else this.#bar.dataset.shown = String(state !== "online");
    }
    const words = { connecting: "connecting", checking: "checking", "catching-up": "catchingUp", online: "connected", offline: "disconnected" };
    const waiting = state === "offline" ? outbox.waiting : 0;
    const text = t(words[state]) + (waiting ? ` · ${t(prefs.kept("queue:") ? "queued" : "queuedUnkept", { count: number(waiting) })}` : "");
    if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
    $("connection-retry").hidden = state !== "offline";
    clearInterval(this.#ticking);
    this.#tick();
    if (state === "offline") this.#ticking = setInterval(() => this.#tick(), 500);
  }

  /** Outside the live region, so that a screen reader does not read each second out. */
  #tick() {
    const { state, retryIn } = this.#client.connection;
    const seconds = Math.max(1, Math.ceil(retryIn / 1000));
    $("connection-countdown").textContent = state === "offline" ? t("retryIn", { seconds }) : "";
  }
}
