// Settings, the change of the password, and logging out.

import * as api from "./api.js";
import { $ } from "./dom.js";
import { choose, language, onLanguage, t } from "./i18n.js";
import * as notify from "./notify.js";
import * as prefs from "./prefs.js";
import { CODE } from "./wire.js";

/** Buttons with data-language choose one, and show which one it is. */
export function languageSwitch(box) {
  const show = () => {
    for (const button of box.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language()));
    }
  };
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-language]");
    // Offline, a language that was not used yet can't be fetched: it stays as it is.
    if (button) choose(button.dataset.language).catch(() => {});
  });
  onLanguage(show);
  show();
}

/** Once for the page: what closes dialogs. */
export function prepare() {
  languageSwitch($("settings-language"));
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      // The backdrop belongs to the dialog; what is inside it has other targets.
      const box = dialog.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (event.target.closest("[data-close]") || (event.target === dialog && event.detail > 0 && !inside)) dialog.close();
    });
  }
}

/** Shows which field is wrong and why; null: none is. */
export function showError(form, field, text) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  form.querySelector(".error").textContent = text ?? "";
  field?.setAttribute("aria-invalid", "true");
  if (field) field.focus();
  else if (text) form.querySelector(".error").scrollIntoView({ block: "nearest" });
}

/** `leave()` is called once the person is logged out; `held()` counts what would be lost by it, in all tabs. */
export function start(client, { signal, leave, held }) {
  const listen = (id, name, call) => $(id).addEventListener(name, call, { signal });
  listen("open-settings", "click", () => {
    drawSettings(client);
    $("settings").showModal();
  });
  listen("notify", "click", async () => {
    await notify.toggle();
    drawSettings(client);
  });
  listen("open-password", "click", () => openPassword(client));
  listen("password-form", "submit", (event) => {
    event.preventDefault();
    changePassword(client);
  });
  listen("open-logout", "click", () => openLogout(held()));
  listen("logout-confirm", "click", () => logOut(leave));
  const end = onLanguage(() => drawSettings(client));
  signal.addEventListener("abort", () => {
    end();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  });
}

function drawSettings(client) {
  const { me } = client;
  $("settings-account").textContent = `${me.userName} · ${t("userNumber", { id: me.userId })}`;
  const permission = notify.allowed();
  const notes = { none: "notifyNone", denied: "notifyDenied" };
  const note = notes[permission] ?? (notify.isOn() ? "notifyIsOn" : "");
  $("notify-note").textContent = note && t(note);
  $("notify-note").hidden = !note;
  $("notify").textContent = t(notify.isOn() ? "notifyOff" : "notifyOn");
  $("notify").hidden = permission in notes;
}

function openPassword(client) {
  $("settings").close();
  const form = $("password-form");
  form.reset();
  $("password-user").value = client.me.userId;
  $("password-done").hidden = true;
  showError(form, null, null);
  $("password-dialog").showModal();
  $("password-old").focus();
}

async function changePassword(client) {
  const form = $("password-form");
  const [old, fresh, repeat] = ["password-old", "password-new", "password-repeat"].map($);
  $("password-done").hidden = true;
  if (!old.value) return showError(form, old, t("passwordMissing"));
  if (!fresh.value) return showError(form, fresh, t("passwordMissing"));
  if (fresh.value !== repeat.value) return showError(form, repeat, t("passwordsDiffer"));
  showError(form, null, null);
  const button = $("password-submit");
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  prefs.set("password", Date.now());
  try {
    const code = await client.changePassword(old.value, fresh.value);
    if (code === CODE.OK) {
      form.reset();
      $("password-user").value = client.me.userId;
      $("password-done").textContent = t("passwordChanged");
      $("password-done").hidden = false;
    } else if (code === CODE.WRONG_PASSWORD) showError(form, old, t("wrongPassword"));
    else if (code === CODE.REFUSED) showError(form, fresh, t("passwordRefused"));
    else showError(form, null, code === CODE.UNAVAILABLE ? t("storeAway") : t("failed", { code }));
  } catch (error) {
    showError(form, null, error.code ? t("failed", { code: error.code }) : t("notConnected"));
  } finally {
    button.removeAttribute("aria-busy");
  }
  return undefined;
}

function openLogout({ messages, drafts }) {
  $("settings").close();
  const question = [t("logOutQuestion")];
  if (messages) question.push(t("logOutUnsent", { count: messages }));
  if (drafts) question.push(t("logOutDrafts", { count: drafts }));
  $("logout-question").textContent = question.join(" ");
  $("logout-error").textContent = "";
  $("logout-dialog").showModal();
}

async function logOut(leave) {
  const button = $("logout-confirm");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  const { code } = await api.logout();
  button.removeAttribute("aria-busy");
  if (code === CODE.OK || code === CODE.UNAUTHORISED) leave();
  else $("logout-error").textContent = t("logOutFailed");
}
