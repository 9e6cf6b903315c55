// Where ends what goes wrong between the screen and the connection, whoever threw it: the person is
// told, and has a way back.

import { $ } from "./dom.js";
import { t } from "./i18n.js";

/** For what goes wrong before the words are here. */
const ALL_LANGUAGES = "Something went wrong on this page. · 页面出错了。";
const AGAIN = "Start over · 重新开始";

function show(text, again) {
  $("trouble-text").textContent = text;
  $("trouble-again").textContent = t("startOver") ?? AGAIN;
  $("trouble-again").hidden = !again;
  $("trouble").hidden = false;
}

/** Tells the words of this name, which ask for nothing to be done. */
export function tell(name) {
  show(t(name), false);
}

/** The person has gone on: what asked for nothing to be done is over. */
export function goneOn() {
  if ($("trouble-again").hidden) $("trouble").hidden = true;
}

/** Once for the page. */
export function watch() {
  // Without an error it is no script that failed, such as a ResizeObserver that has more to tell.
  addEventListener("error", ({ error }) => error && show(t("wentWrong") ?? ALL_LANGUAGES, true));
  addEventListener("unhandledrejection", () => show(t("wentWrong") ?? ALL_LANGUAGES, true));
  $("trouble-close").addEventListener("click", () => ($("trouble").hidden = true));
  $("trouble-again").addEventListener("click", () => {
    history.replaceState(null, "", location.pathname);
    location.reload();
  });
}
