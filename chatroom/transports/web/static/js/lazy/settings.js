// The settings: language, appearance, notifications, and buttons for the account's dialogs.

import * as appearance from "../browser/appearance.js";
import { $ } from "../browser/dom.js";
import { onLanguage, t } from "../browser/i18n.js";
import * as prefs from "../browser/prefs.js";
import * as notify from "../view/notify.js";
import { closing, languageSwitch, press } from "./forms.js";

/** The last answer to the browser's question about notifications; it does not ask again at once. */
let asked = null;

/** Call once per page. */
document.querySelectorAll("dialog").forEach(closing);
languageSwitch($("settings-language"));
for (const name of ["theme", "size"]) {
  $(`settings-${name}`).addEventListener("click", (event) => {
    const value = event.target.closest("button")?.dataset[name];
    if (!value) return;
    appearance.choose(name, name === "size" ? Number(value) : value);
    drawAppearance();
  });
}

export function start(client, { signal }) {
  const draw = () => {
    drawAppearance();
    drawNotifications();
    const { me } = client;
    $("settings-account").textContent = `${me.userName} · ${t("userNumber", { id: me.userId })}`;
  };
  $("notify").addEventListener("click", toggleNotifications, { signal });
  $("open-keys").addEventListener("click", async () => {
    $("settings").close();
    (await import("./keys.js")).open();
  }, { signal });
  signal.addEventListener("abort", onLanguage(draw));
  return {
    open() {
      asked = null;
      draw();
      if (!$("settings").open) $("settings").showModal();
    },
  };
}

function drawAppearance() {
  press($("settings-theme"), "theme", appearance.theme());
  press($("settings-size"), "size", appearance.size());
}

async function toggleNotifications() {
  // The browser's question may be easy to miss: say so until it is answered.
  asked = notify.isOn() ? null : "notifyAsking";
  drawNotifications();
  // "default" is no answer.
  const answer = notify.isOn() ? "off" : await Notification.requestPermission();
  if (answer === "off" || answer === "granted") prefs.set("notify", answer === "granted");
  asked = answer === "default" ? "notifyDismissed" : null;
  drawNotifications();
}

function drawNotifications() {
  const permission = notify.allowed();
  const notes = { none: "notifyNone", denied: "notifyDenied" };
  const note = notes[permission] ?? (notify.isOn() ? "notifyIsOn" : asked);
  $("notify-note").textContent = note ? t(note) : "";
  $("notify-note").hidden = !note;
  $("notify").textContent = t(notify.isOn() ? "notifyOff" : "notifyOn");
  $("notify").hidden = permission in notes;
}
