// Announces messages while nobody looks at the page: title, notifications, screen reader.

import { summary } from "../base/text.js";
import { $, h } from "../browser/dom.js";
import { onLanguage, t } from "../browser/i18n.js";
import * as prefs from "../browser/prefs.js";

/** Milliseconds: by then another tab or device in use has reported that it was read. */
const READ_ELSEWHERE = 700;
const ANNOUNCED = 5;

export function allowed() {
  return "Notification" in globalThis ? Notification.permission : "none";
}

export function isOn() {
  return allowed() === "granted" && prefs.get("notify") === true;
}

function notify(client, { conversation, message }, open) {
  if (conversation.read === null || conversation.unread === 0) return;
  try {
    const name = client.people.nameOf(message.userId);
    // One notification for each conversation, however many tabs are open.
    const note = new Notification(name, { body: summary(message.content), tag: conversation.key, icon: "/static/favicon.svg" });
    note.onclick = () => {
      window.focus();
      open(conversation.key);
      note.close();
    };
  } catch {
    // Some phones let only service workers show notifications.
  }
}

function announce(name, text, isPrivate) {
  const box = $("announcer");
  box.append(h("p", {}, t(isPrivate ? "saidPrivately" : "said", { name, text })));
  while (box.childElementCount > ANNOUNCED) box.firstChild.remove();
}

/** An operator's announcement stays until it is closed: it is sent once and stored nowhere. */
function post(text) {
  $("announcement-text").append(h("p", {}, text));
  $("announcement").hidden = false;
  announce(t("announcement"), text, false);
}

function putAway() {
  $("announcement").hidden = true;
  $("announcement-text").replaceChildren();
}

/**
 * `current()` is the key of the open conversation, `title()` the name of what is on the screen. Returns
 * the function that redraws the title.
 */
export function start(client, { signal, current, title: shown, open }) {
  const title = () => {
    const count = client.unread;
    const what = [shown(), t("appName")].filter(Boolean).join(" · ");
    document.title = `${count ? `(${count > 99 ? "99+" : count}) ` : ""}${what}`;
  };
  const arrived = (arrival) => {
    const { conversation, message } = arrival;
    if (message.own || client.catchingUp) return;
    const isPrivate = conversation.peer !== null;
    if (isPrivate || conversation.key === current()) {
      const name = message.userName || t("user", { id: message.userId });
      announce(name, summary(message.content, 500), isPrivate);
    }
    if (isPrivate && isOn() && !document.hasFocus()) {
      setTimeout(() => signal.aborted || notify(client, arrival, open), READ_ELSEWHERE);
    }
  };
  const unlisten = [client.on("conversations", title), client.on("arrived", arrived), client.on("announced", post), onLanguage(title)];
  $("close-announcement").addEventListener("click", putAway, { signal });
  title();
  signal.addEventListener("abort", () => {
    for (const end of unlisten) end();
    $("announcer").replaceChildren();
    putAway();
    document.title = t("appName");
  });
  return title;
}
