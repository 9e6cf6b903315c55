// The account's dialogs: changing the password, and logging out. They are loaded when they are
// needed, with the settings.

import { CODE } from "../base/wire.js";
import * as api from "../browser/api.js";
import { $ } from "../browser/dom.js";
import { t } from "../browser/i18n.js";
import * as prefs from "../browser/prefs.js";
import { passwordFault, refusalOf, showError } from "./forms.js";
import * as settings from "./settings.js";

/**
 * `leave()` is called once the person is logged out; `held()` counts the messages that would be lost by
 * that, in all tabs. Returns the function that opens the settings.
 */
export function start(client, { signal, leave, held }) {
  const listen = (id, name, call) => $(id).addEventListener(name, call, { signal });
  listen("open-password", "click", () => openPassword(client));
  listen("password-form", "submit", (event) => {
    event.preventDefault();
    changePassword(client);
  });
  listen("open-logout", "click", () => openLogout(held()));
  listen("logout-confirm", "click", () => logOut(leave));
  return settings.start(client, { signal });
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
  for (const field of [old, fresh]) {
    const fault = passwordFault(field.value);
    if (fault) return showError(form, field, fault);
  }
  if (fresh.value !== repeat.value) return showError(form, repeat, t("passwordsDiffer"));
  showError(form, null, null);
  const button = $("password-submit");
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  prefs.set("password", Date.now());
  try {
    const answer = await client.changePassword(old.value, fresh.value);
    const { code } = answer;
    if (code === CODE.OK) {
      form.reset();
      $("password-user").value = client.me.userId;
      $("password-done").textContent = t("passwordChanged");
      $("password-done").hidden = false;
    } else if (code === CODE.WRONG_PASSWORD) showError(form, old, t("wrongPassword"));
    else if (code === CODE.REGISTER_FAILED) showError(form, fresh, refusalOf(answer)?.text ?? t("passwordRefused"));
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
  if (code === CODE.OK || code === CODE.NOT_LOGGED_IN) leave();
  else $("logout-error").textContent = t("logOutFailed");
}
