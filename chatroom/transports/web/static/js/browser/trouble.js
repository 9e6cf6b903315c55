// Handles unexpected errors, wherever they were thrown: shows the person a message, with a way to
// go on.

import { $ } from "./dom.js";
import { t } from "./i18n.js";

/** Shown when something fails before the words are loaded. */
const ALL_LANGUAGES = "Something went wrong on this page. · 页面出错了。";
const AGAIN = "Start over · 重新开始";

function show(text, again) {
  $("trouble-text").textContent = text;
  $("trouble-again").textContent = t("startOver") ?? AGAIN;
  $("trouble-again").hidden = !again;
  $("trouble").hidden = false;
}

/** Shows the words of this name; the person need not do anything about it. */
export function tell(name) {
  show(t(name), false);
}

/** The person has gone on: hide a message that they need not do anything about. */
export function goneOn() {
  if ($("trouble-again").hidden) $("trouble").hidden = true;
}

/** Call once per page. */
export function watch() {
  // Without an error no script has failed; a ResizeObserver reports its late notices like this.
  addEventListener("error", ({ error }) => error && show(t("wentWrong") ?? ALL_LANGUAGES, true));
  addEventListener("unhandledrejection", () => show(t("wentWrong") ?? ALL_LANGUAGES, true));
  $("trouble-close").addEventListener("click", () => ($("trouble").hidden = true));
  $("trouble-again").addEventListener("click", () => {
    history.replaceState(null, "", location.pathname);
    location.reload();
  });
}
