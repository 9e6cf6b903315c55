// What forms share: showing which field is wrong and why, and the choice of the language. Forms and
// settings are loaded when they are shown, together with their styles and words.

import { countCharacters } from "../base/wire.js";
import { h } from "../browser/dom.js";
import { choose, language, number, onLanguage, t, useMore } from "../browser/i18n.js";

const LOOKS = "/static/forms.css";
let looks = null;

/** Call before any of them is shown. Fails if something can't be fetched; then it can be tried again. */
export async function ready() {
  looks ??= new Promise((resolve, reject) => {
    const onload = resolve;
    const onerror = ({ target }) => {
      target.remove();
      looks = null;
      reject(new Error(`${LOOKS} can't be fetched`));
    };
    document.head.append(h("link", { rel: "stylesheet", href: LOOKS, onload, onerror }));
  });
  await Promise.all([looks, useMore()]);
}

/** The server's limits: characters of a name, bytes of a password. */
const MOST_NAME = 32;
const MOST_PASSWORD = 1024;
/** The server's names for what is wrong; the words for it have the same names. */
const REASONS = [
  "passwordShort", "passwordCommon", "passwordIsName", "nameLength", "nameInvisible", "nameAccent", "nameAccents",
  "inviteMissing", "closed",
];

/** Buttons with data-language choose one, and show which one it is. */
export function languageSwitch(box) {
  const show = () => press(box, "language", language());
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-language]");
    // A language that was not used yet can't be fetched offline: the old one stays.
    if (button) choose(button.dataset.language).catch(() => {});
  });
  onLanguage(show);
  show();
}

/** Shows which of a row of buttons is chosen, by the value of their data-`name`. */
export function press(box, name, value) {
  for (const button of box.querySelectorAll(`[data-${name}]`)) {
    button.setAttribute("aria-pressed", String(button.dataset[name] === String(value)));
  }
}

/**
 * Shows which field is wrong and why; null: none is. The words are put at the field, as its
 * description, or at the end of the form if they are about no field.
 */
export function showError(form, field, text, { focus = true } = {}) {
  const error = form.querySelector(".error");
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    describe(input, error.id, false);
  }
  if (field) (field.closest(".with-button") ?? field).after(error);
  else form.querySelector(".primary").before(error);
  error.textContent = text ?? "";
  if (field && text) {
    field.setAttribute("aria-invalid", "true");
    describe(field, error.id, true);
    if (focus) field.focus();
  } else if (text) error.scrollIntoView({ block: "nearest" });
}

function describe(field, id, on) {
  const ids = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((one) => one && one !== id);
  // First, so that a screen reader reads it before the hint.
  if (on) ids.unshift(id);
  if (ids.length) field.setAttribute("aria-describedby", ids.join(" "));
  else field.removeAttribute("aria-describedby");
}

/** Words for what is wrong with a user number; undefined if nothing is. */
export function idFault(text) {
  if (text === "") return t("userIdMissing");
  if (!/^\d+$/.test(text)) return t("userIdNotNumber", { text: text.slice(0, 40) });
  if (Number(text) < 1) return t("userIdWrong");
  return Number(text) <= Number.MAX_SAFE_INTEGER ? undefined : t("userIdLarge", { count: number(Number.MAX_SAFE_INTEGER) });
}

/** The digits of a number that was typed: input methods for Chinese give full-width ones. */
export function digits(field) {
  return field.value.trim().slice(0, 100).normalize("NFKC");
}

export function nameFault(text) {
  const count = countCharacters(text.trim());
  return count >= 1 && count <= MOST_NAME ? undefined : t("nameLength");
}

export function passwordFault(text) {
  if (text === "") return t("passwordMissing");
  return new TextEncoder().encode(text).length <= MOST_PASSWORD ? undefined : t("passwordLong");
}

/** Which field a refusal is about (name, password, invite), and words for it; null: it does not say. */
export function refusalOf({ reason, least }) {
  if (!REASONS.includes(reason)) return null;
  return { about: /^(?:name|password|invite)/.exec(reason)?.[0], text: t(reason, { count: least }) };
}

/** Makes a dialog's buttons and backdrop close it. */
export function closing(dialog) {
  dialog.addEventListener("click", (event) => {
    // A click on the backdrop has the dialog as its target; one inside it has another.
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target.closest("[data-close]") || (event.target === dialog && event.detail > 0 && !inside)) dialog.close();
  });
}
