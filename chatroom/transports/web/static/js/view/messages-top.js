// The line above the oldest message in the page: whether there are more.

import { CODE } from "../base/wire.js";
import { h } from "../browser/dom.js";
import { t } from "../browser/i18n.js";

/** `start` is the place in the conversation of the first message in the page. */
export function drawTop(box, client, conversation, start) {
  const { key, peer, more, loaded, failed, messages } = conversation;
  const loading = client.isLoading(key);
  const empty = !messages.length && !client.outbox.of(key).length;
  let state = "";
  if (start > 0) state = "";
  else if (!loaded && !loading && client.connection.state === "offline") state = "notHere";
  else if (failed === CODE.NO_RECIPIENT && peer !== null) state = "nobodyHas";
  else if (failed !== undefined && !loading) state = "loadFailed";
  else if (more) state = loading || !loaded ? "loadingOlder" : "";
  else if (!empty) state = "beginning";
  else state = peer === null ? "emptyLobby" : "emptyPrivate";
  box.classList.toggle("alone", empty && (!more || state === "nobodyHas"));
  const name = client.people.nameOf(peer) || t("user", { id: peer });
  const text = state && t(state, { name, id: peer });
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  box.replaceChildren(text);
  if (state !== "loadFailed") return;
  const again = () => {
    conversation.failed = undefined;
    if (loaded) client.loadOlder(key);
    else client.open(key);
  };
  box.append(h("button", { class: "button", type: "button", onclick: again }, t("tryAgain")));
}
