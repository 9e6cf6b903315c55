// Where the page begins: who is logged in here, and the screen that follows from it.

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

/** Milliseconds: the cookie is renewed about daily, by one tab; whether it is due, is asked hourly. */
const RENEW_AFTER = 20 * 3_600_000;
const RENEW_LOOK = 3_600_000;
const BOOT_RETRY = 5_000;
/** Milliseconds: so soon after a change of the password a session that ends does so by it. */
const CHANGED_LATELY = 60_000;

/** The session that runs here: `userId`, and `end()`. */
let running = null;
/** Whom this tab was at last, {userId, userName}: it becomes nobody else unasked. */
let mine = recall();
let login = null;
const invite = takeInvite();

/** Shows one of the screens. */
function screen(name) {
  for (const id of ["splash", "login", "chat"]) $(id).hidden = id !== name;
}

/**
 * Asks who is logged in, until there is an answer. `agreed`: who it may be, besides whom this tab was;
 * `notice`: why it is asked again, for the login; `refused`: the server took nobody by this cookie just now.
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

/** Who is logged in needs no form. */
async function showLogin(options) {
  const [{ LoginView }, forms] = await Promise.all([import("./lazy/login.js"), import("./lazy/forms.js")]);
  await forms.ready();
  if (running) return;
  login ??= new LoginView((user, isNew) => enter({ ...user, code: CODE.OK }, { fresh: true, isNew }), invite);
  screen("login");
  login.show(options);
}

/** Somebody else is logged in now: nobody goes on as they without a word. */
function offer(user) {
  const notice = [["nowOther", { name: user.userName }], ...keptFor(mine)];
  showLogin({ notice, goOn: { ...user, call: () => boot({ agreed: user.userId }) } });
}

/** An invitation comes in the link, and is not to stay in the address bar or its history. */
function takeInvite() {
  const url = new URL(location.href);
  const found = url.searchParams.get("invite");
  url.searchParams.delete("invite");
  if (found !== null) history.replaceState(history.state, "", url);
  return found;
}

/** `fresh`: by the form, just now; `isNew`: the page chose their number, and they may not know it. */
function enter({ userId, userName, code }, { fresh = false, isNew = false } = {}) {
  const user = { userId, userName };
  prefs.set("who", user);
  prefs.set("user", userId);
  // Without a code the server was not asked.
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
  // The server tells nobody of a change that is theirs alone.
  client.on("status", () => prefs.set(`status:${userId}`, Date.now()));
  let wasOnline = false;
  client.on("state", () => (wasOnline ||= client.connection.state === "online"));
  client.on("refused", (refusal) => {
    end();
    // The server ends the other tabs too when a password is changed, but their cookie goes on.
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

/** Something that was written goes with this page. */
function holdsUnkept() {
  return !prefs.kept("queue:") || !prefs.kept("draft:");
}

const flags = (userId) => `flagged:${userId}:`;

/** What is remembered for this person over a reload. */
function memoryOf(userId, queues, drafts) {
  const lobby = `lobby:${userId}`;
  const names = `name:${userId}:`;
  return {
    drafts,
    get lobbyRead() {
      return prefs.get(lobby);
    },
    set lobbyRead(seq) {
      // Another tab may have got further.
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

/** Words for the login that say why one has to log in: what an operator did, in any language. */
function noticeOf(refusal) {
  const about = {
    get words() {
      return doing(refusal);
    },
  };
  return [about.words ? ["ended", about] : ["sessionOver"]];
}

/** Words that say that what somebody did not send is there still, where it is. */
function keptFor(user) {
  const holds = user && (countWaiting(user.userId) || prefs.names(`draft:${user.userId}:`).length);
  return holds && !holdsUnkept() ? [["keptFor", { name: user.userName }]] : [];
}

/** This page's session is over; what was being written is kept. */
function end() {
  running.end();
  running = null;
}

/** The person logged out, here or in another tab: nothing of theirs stays. */
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

/** Another tab logged out, or in: the cookie is all tabs' own. */
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
    // A reload is another tab then.
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
