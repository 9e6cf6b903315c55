// Where the page begins: who is logged in here, and the screen that follows from it.

import * as api from "./api.js";
import { Client } from "./client.js";
import { clock } from "./clock.js";
import { $, placeIcons } from "./dom.js";
import { doing, onLanguage, preferred, t, use } from "./i18n.js";
import * as prefs from "./prefs.js";
import { Queues } from "./queues.js";
import * as trouble from "./trouble.js";
import { ChatView } from "./view-chat.js";
import { CODE } from "./wire.js";

/** Milliseconds: the cookie is renewed about daily, by one tab; whether it is due, is asked hourly. */
const RENEW_AFTER = 20 * 3_600_000;
const RENEW_LOOK = 3_600_000;
const BOOT_RETRY = 5_000;
/** Milliseconds: so soon after a change of the password a session that ends does so by it. */
const CHANGED_LATELY = 60_000;

let running = null;
let login = null;
const invite = takeInvite();

/** Shows one of the screens. */
function screen(name) {
  for (const id of ["splash", "login", "chat"]) $(id).hidden = id !== name;
}

/** Asks who is logged in, until there is an answer. */
async function boot() {
  screen("splash");
  $("splash-text").textContent = t("loading");
  $("splash-retry").hidden = true;
  const answer = await api.session();
  if (answer.code === CODE.OK) enter(answer);
  else if (answer.code === CODE.UNAUTHORISED) showLogin();
  else if (answer.until !== undefined) showLogin({ notice: noticeOf(answer) });
  else waitToBoot((answer.retryAfter ?? 0) * 1000 || BOOT_RETRY);
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
  const [{ LoginView }, forms] = await Promise.all([import("./view-login.js"), import("./forms.js")]);
  await forms.ready();
  login ??= new LoginView(enter, invite);
  screen("login");
  login.show(options);
}

/** An invitation comes in the link, and is not to stay in the address bar or its history. */
function takeInvite() {
  const url = new URL(location.href);
  const found = url.searchParams.get("invite");
  url.searchParams.delete("invite");
  if (found !== null) history.replaceState(history.state, "", url);
  return found;
}

function enter({ userId, userName }) {
  const user = { userId, userName };
  prefs.set("user", userId);
  prefs.set("renewed", Date.now());
  const queues = new Queues(userId, (entries) => client.outbox.adopt(entries));
  const client = new Client({ user, connect: api.connect, clock, memory: memoryOf(userId, queues) });
  const unwatch = [
    prefs.watch(`lobby:${userId}`, (seq) => client.lobbySeen(seq)),
    prefs.watch(`flagged:${userId}`, (keys) => client.flaggedAre(keys)),
    prefs.watch(`status:${userId}`, () => client.people.lookUp(userId).catch(() => {})),
    // Another tab logged out, or in as somebody else: the cookie is all tabs' own.
    prefs.watch("user", (other) => other !== userId && leave({ notice: other ? null : ["loggedOut"] })),
  ];
  // The server tells nobody of a change that is theirs alone.
  client.on("status", () => prefs.set(`status:${userId}`, Date.now()));
  client.on("refused", (refusal) => {
    // The server ends the other tabs too when a password is changed, but their cookie goes on.
    const changedHere = Date.now() - (prefs.get("password") ?? 0) < CHANGED_LATELY;
    leave(refusal.code === CODE.CLOSED && changedHere ? {} : { notice: noticeOf(refusal), userId });
  });
  screen("chat");
  const view = new ChatView(client, { leave: () => logOut(userId) });
  const timer = setInterval(renew, RENEW_LOOK);
  running = () => {
    clearInterval(timer);
    for (const end of unwatch) end();
    view.close();
    client.stop();
    queues.stop();
    return queues;
  };
  client.start();
  queues.start();
}

/** What is remembered for this person over a reload. */
function memoryOf(userId, queues) {
  return {
    get lobbyRead() {
      return prefs.get(`lobby:${userId}`);
    },
    set lobbyRead(seq) {
      prefs.set(`lobby:${userId}`, seq);
    },
    get names() {
      return prefs.get(`names:${userId}`) ?? [];
    },
    set names(names) {
      prefs.set(`names:${userId}`, names);
    },
    get flagged() {
      return prefs.get(`flagged:${userId}`) ?? [];
    },
    set flagged(keys) {
      prefs.set(`flagged:${userId}`, keys);
    },
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
  return about.words ? ["ended", about] : ["sessionOver"];
}

/** This page's session is over; who it is may be asked again, or has to be. */
function leave({ notice, userId }) {
  running?.();
  running = null;
  history.replaceState(null, "", location.pathname);
  if (notice) showLogin({ notice, userId });
  else boot();
}

/** The person logged out: nothing of theirs stays, and the other tabs follow. */
function logOut(userId) {
  const queues = running?.();
  running = null;
  queues?.forget();
  for (const name of ["lobby", "names", "drafts", "flagged", "status"]) prefs.set(`${name}:${userId}`, null);
  prefs.set("user", null);
  history.replaceState(null, "", location.pathname);
  showLogin({ notice: ["loggedOut"] });
}

async function renew() {
  if (Date.now() - (prefs.get("renewed") ?? 0) < RENEW_AFTER) return;
  prefs.set("renewed", Date.now());
  await api.session();
}

trouble.watch();
placeIcons(document);
await use(preferred());
onLanguage(() => {
  if (!$("splash").hidden && $("splash-retry").hidden) $("splash-text").textContent = t("loading");
});
boot();
