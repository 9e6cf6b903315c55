// The page's entry: finds out who is logged in here, and shows the right screen.

import { clock } from "./base/clock.js";
import { newer } from "./base/seq.js";
import { CODE } from "./base/wire.js";
import * as api from "./browser/api.js";
import { $, placeIcons } from "./browser/dom.js";
import { Drafts } from "./browser/drafts.js";
import { doing, onLanguage, preferred, t, use } from "./browser/i18n.js";
import * as prefs from "./browser/prefs.js";
import { Queues, countWaiting } from "./browser/queues.js";
import * as trouble from "./browser/trouble.js";
import { Client } from "./session/client.js";
import { ChatView } from "./view/chat.js";

/** Milliseconds: one tab renews the cookie about daily; each checks hourly whether that is due. */
const RENEW_AFTER = 20 * 3_600_000;
const RENEW_LOOK = 3_600_000;
const BOOT_RETRY = 5_000;
/** Milliseconds: a session that ends this soon after a password change was ended by it. */
const CHANGED_LATELY = 60_000;

/** The session that runs here: `userId`, and `end()`. */
let running = null;
/** The last user of this tab, {userId, userName}: it does not change to another without asking. */
let mine = recall();
let login = null;
const invite = takeInvite();

/** Shows one of the screens. */
function screen(name) {
  for (const id of ["splash", "login", "chat"]) $(id).hidden = id !== name;
}

/**
 * Asks who is logged in, until there is an answer. `agreed`: another user who may be, besides this tab's
 * last one; `notice`: why the login is shown again; `refused`: the server has just refused this cookie.
 */
async function boot({ agreed = mine?.userId, notice = [], refused = false } = {}) {
  screen("splash");
  $("splash-text").textContent = t("loading");
  $("splash-retry").hidden = true;
  const answer = await api.session();
  const { code, userId, userName } = answer;
  if (running) return;
  if (code === CODE.OK && userId !== (agreed ?? userId)) offer({ userId, userName });
  else if (code === CODE.OK && !refused) enter(answer);
  else if (code === CODE.NOT_LOGGED_IN || notice.length) showLogin({ notice, userId: mine?.userId });
  else if (answer.until !== undefined) showLogin({ notice: noticeOf(answer) });
  else if (code === 0 && isHere(agreed)) enter(prefs.get("who"));
  else waitToBoot((answer.retryAfter ?? 0) * 1000 || BOOT_RETRY);
}

/** Whether somebody was logged in here when the server could last be asked. */
function isHere(agreed) {
  const userId = prefs.get("user");
  return userId !== null && prefs.get("who")?.userId === userId && userId === (agreed ?? userId);
}

function waitToBoot(ms) {
  const button = $("splash-retry");
  $("splash-text").textContent = t("noServer");
  button.hidden = false;
  const again = () => {
    clearTimeout(timer);
    button.onclick = null;
    boot();
  };
  const timer = setTimeout(again, ms);
  button.onclick = again;
}

/** Loads the form only when it is shown: a user who is logged in needs none. */
async function showLogin(options) {
  const [{ LoginView }, forms] = await Promise.all([import("./lazy/login.js"), import("./lazy/forms.js")]);
  await forms.ready();
  if (running) return;
  login ??= new LoginView((user, isNew) => enter({ ...user, code: CODE.OK }, { fresh: true, isNew }), invite);
  screen("login");
  login.show(options);
}

/** Another user is logged in now: asks before going on as that user. */
function offer(user) {
  const notice = [["nowOther", { name: user.userName }], ...keptFor(mine)];
  showLogin({ notice, goOn: { ...user, call: () => boot({ agreed: user.userId }) } });
}

/** Takes the invitation from the link: it must not stay in the address bar or the history. */
function takeInvite() {
  const url = new URL(location.href);
  const found = url.searchParams.get("invite");
  url.searchParams.delete("invite");
  if (found !== null) history.replaceState(history.state, "", url);
  return found;
}

/** `fresh`: logged in by the form just now; `isNew`: the page chose the number, and they may not know it. */
function enter({ userId, userName, code }, { fresh = false, isNew = false } = {}) {
  const user = { userId, userName };
  prefs.set("who", user);
  prefs.set("user", userId);
  // Without a code, the server has not answered.
  if (code) for (const name of ["renewed", "entered"]) prefs.set(name, Date.now());
  if (mine && mine.userId !== userId) history.replaceState(null, "", location.pathname);
  remember(user);
  const queues = new Queues(userId, (entries) => client.outbox.adopt(entries));
  const drafts = new Drafts(prefs, userId);
  const client = new Client({ user, connect: api.connect, clock, memory: memoryOf(userId, queues, drafts) });
  const over = new AbortController();
  const { signal } = over;
  const unwatch = [
    drafts.start(),
    prefs.watch(`lobby:${userId}`, (seq) => client.lobbySeen(seq)),
    prefs.watch(flags(userId), (flagged, name) => client.flaggedIs(name.slice(flags(userId).length), flagged)),
    prefs.watch(`status:${userId}`, () => client.people.lookUp(userId).catch(() => {})),
  ];
  // The server does not report a change to the user who made it.
  client.on("status", () => prefs.set(`status:${userId}`, Date.now()));
  let wasOnline = false;
  client.on("state", () => (wasOnline ||= client.connection.state === "online"));
  client.on("refused", (refusal) => {
    end();
    // A changed password ends the other tabs' sessions as well, but their cookie stays valid.
    const changedHere = Date.now() - (prefs.get("password") ?? 0) < CHANGED_LATELY;
    const [told] = noticeOf(refusal);
    const notice = fresh && !wasOnline && told[0] === "sessionOver" ? [["cookieBlocked"]] : [told, ...keptFor(mine)];
    if (told[0] === "ended" && !(changedHere && refusal.code === CODE.CLOSED)) showLogin({ notice, userId });
    else boot({ notice, refused: !wasOnline });
  });
  screen("chat");
  login?.clear();
  const view = new ChatView(client, {
    leave: logOut,
    held: () => ({ messages: countWaiting(userId), drafts: drafts.keys().length }),
  });
  const timer = setInterval(renew, RENEW_LOOK);
  // Firefox has closed the connection by the second event; some phones leave out the first.
  for (const name of ["beforeunload", "pagehide"]) addEventListener(name, () => client.leaving(), { signal });
  running = {
    userId,
    end() {
      clearInterval(timer);
      over.abort();
      view.close();
      client.stop();
      queues.stop();
      for (const stop of unwatch) stop();
    },
  };
  client.start();
  queues.start();
  if (isNew) client.emit("announced", t("yourNumber", { id: userId }));
}

/** Whether something that was written would be lost with this page. */
function holdsUnkept() {
  return !prefs.kept("queue:") || !prefs.kept("draft:");
}

const flags = (userId) => `flagged:${userId}:`;

/** The values that are kept for this person over a reload. */
function memoryOf(userId, queues, drafts) {
  const lobby = `lobby:${userId}`;
  const names = `name:${userId}:`;
  return {
    drafts,
    get lobbyRead() {
      return prefs.get(lobby);
    },
    set lobbyRead(seq) {
      // Another tab may have read further.
      if (newer(seq, prefs.get(lobby))) prefs.set(lobby, seq);
    },
    get names() {
      return prefs.names(names).map((name) => [Number(name.slice(names.length)), prefs.get(name)]);
    },
    keepName(peer, name) {
      if (prefs.get(names + peer) !== name) prefs.set(names + peer, name);
    },
    get flagged() {
      return prefs.names(flags(userId)).map((name) => name.slice(flags(userId).length));
    },
    flag: (key, flagged) => prefs.set(flags(userId) + key, flagged || null),
    saveQueue: (entries) => queues.save(entries),
  };
}

/** Words for the login form about what an operator did, in any language. */
function noticeOf(refusal) {
  const about = {
    get words() {
      return doing(refusal);
    },
  };
  return [about.words ? ["ended", about] : ["sessionOver"]];
}

/** Words that say that what somebody did not send is still kept, if there is anything. */
function keptFor(user) {
  const holds = user && (countWaiting(user.userId) || prefs.names(`draft:${user.userId}:`).length);
  return holds && !holdsUnkept() ? [["keptFor", { name: user.userName }]] : [];
}

/** Ends this page's session; drafts are kept. */
function end() {
  running.end();
  running = null;
}

/** The person logged out, here or in another tab: removes everything of theirs. */
function logOut() {
  const { userId } = running;
  end();
  remember(null);
  history.replaceState(null, "", location.pathname);
  for (const kind of ["queue", "draft", "name", "lobby", "flagged", "status"]) {
    for (const name of [`${kind}:${userId}`, ...prefs.names(`${kind}:${userId}:`)]) prefs.set(name, null);
  }
  for (const name of ["who", "user"]) prefs.set(name, null);
  showLogin({ notice: [["loggedOut"]] });
}

/** Another tab logged out, or in: all tabs share the cookie. */
function cookieChanged(userId) {
  if (running?.userId === userId || !$("splash").hidden) return;
  if (userId === null) {
    if (running) logOut();
    else showLogin({ notice: [["loggedOut"]] });
    return;
  }
  const user = prefs.get("who");
  if (!running && !login?.busy && userId === (mine?.userId ?? userId)) boot();
  else {
    if (running) end();
    offer(user);
  }
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem("chatroom:tab"));
  } catch {
    return null;
  }
}

function remember(user) {
  mine = user;
  try {
    sessionStorage.setItem("chatroom:tab", JSON.stringify(user));
  } catch {
    // After a reload this counts as another tab.
  }
}

async function renew() {
  if (Date.now() - (prefs.get("renewed") ?? 0) < RENEW_AFTER) return;
  prefs.set("renewed", Date.now());
  await api.session();
}

trouble.watch();
placeIcons(document);
await use(preferred());
addEventListener("beforeunload", (event) => holdsUnkept() && event.preventDefault());
prefs.watch("user", (userId) => userId === null && cookieChanged(null));
prefs.watch("entered", () => cookieChanged(prefs.get("user")));
onLanguage(() => {
  if (!$("splash").hidden && $("splash-retry").hidden) $("splash-text").textContent = t("loading");
});
boot();
navigator.serviceWorker?.register("/sw.js").catch(() => {});
