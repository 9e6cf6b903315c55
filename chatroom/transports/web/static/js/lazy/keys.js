// The list of the keys, in a dialog that is made when it is first needed.

import { h, icon } from "../browser/dom.js";
import { t } from "../browser/i18n.js";
import { closing } from "./forms.js";

/** The keys, and the name of the words for what they do. "+": both together; " ": either one. */
const KEYS = [
  ["Enter", "keySend"],
  ["Shift+Enter", "keyLine"],
  ["↑", "keyRecall"],
  ["Alt+↑ Alt+↓", "keyConversation"],
  ["F6 Shift+F6", "keyPart"],
  ["Enter ↑ ↓", "keyMessages"],
  ["Esc", "keyEscape"],
  ["?", "keyKeys"],
];

export function open() {
  const rows = KEYS.flatMap(([keys, name]) => [
    h("dt", {}, ...keys.split(" ").flatMap((key, at) => (at ? [" ", combination(key)] : [combination(key)]))),
    h("dd", {}, t(name)),
  ]);
  const close = h("button", { class: "icon-button", type: "button", title: t("close"), "aria-label": t("close"), "data-close": true }, icon("close"));
  const dialog = h(
    "dialog",
    { class: "dialog", id: "keys", "aria-labelledby": "keys-title" },
    h("header", {}, h("h2", { id: "keys-title" }, t("keys")), close),
    h("dl", { class: "key-list" }, ...rows),
  );
  closing(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function combination(keys) {
  return h("span", {}, ...keys.split("+").flatMap((key, at) => (at ? ["+", h("kbd", {}, key)] : [h("kbd", {}, key)])));
}
