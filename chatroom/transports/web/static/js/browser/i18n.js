// The page's language: which one it is, its words, and how it writes times and numbers.

import * as prefs from "./prefs.js";

/** The words of a language are fetched when it is used; those of forms and settings with these. */
const LANGUAGES = {
  en: { tag: "en", load: () => import("./strings/en.js"), more: () => import("./strings/more-en.js") },
  zh: { tag: "zh-CN", load: () => import("./strings/zh.js"), more: () => import("./strings/more-zh.js") },
};

let current = "en";
let strings = {};
let wantsMore = false;
let formats = {};
const listeners = new Set();

/** The language that was last chosen here, or else the browser's. */
export function preferred() {
  const chosen = prefs.get("language");
  if (chosen in LANGUAGES) return chosen;
  const known = (navigator.languages ?? []).map((tag) => tag.slice(0, 2).toLowerCase());
  return known.find((language) => language in LANGUAGES) ?? "en";
}

export function language() {
  return current;
}

/** Fails if the words can't be fetched; then the language stays as it was. */
export async function use(language) {
  const { tag, load, more } = LANGUAGES[language];
  const parts = await Promise.all([load(), wantsMore ? more() : { default: {} }]);
  strings = Object.assign({}, ...parts.map((part) => part.default));
  current = language;
  document.documentElement.lang = tag;
  formats = {
    time: new Intl.DateTimeFormat(tag, { hour: "numeric", minute: "2-digit" }),
    day: new Intl.DateTimeFormat(tag, { weekday: "long", month: "long", day: "numeric" }),
    dayOfYear: new Intl.DateTimeFormat(tag, { year: "numeric", month: "long", day: "numeric" }),
    short: new Intl.DateTimeFormat(tag, { month: "numeric", day: "numeric" }),
    full: new Intl.DateTimeFormat(tag, { dateStyle: "full", timeStyle: "medium" }),
    relative: new Intl.RelativeTimeFormat(tag, { numeric: "auto" }),
    number: new Intl.NumberFormat(tag),
    collator: new Intl.Collator(tag, { numeric: true }),
  };
  translate(document);
  for (const listener of listeners) listener();
}

/** Loads the words of forms and settings as well, from now on; fails as `use` does. */
export async function useMore() {
  if (wantsMore) return undefined;
  const language = current;
  const words = (await LANGUAGES[language].more()).default;
  if (language !== current) return useMore();
  wantsMore = true;
  Object.assign(strings, words);
  translate(document);
  return undefined;
}

export async function choose(language) {
  await use(language);
  prefs.set("language", language);
}

/** Calls `listener` after each change of the language. Returns a function that ends this. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function t(name, about) {
  const words = strings[name];
  return typeof words === "function" ? words(about) : words;
}

/** What can be done to a person, by an operator or by a changed password. */
const DOINGS = ["banned", "addressBanned", "muted", "kicked", "deleted", "passwordElsewhere"];

/** Words for what the server says was done, until when, and why; empty if it does not say. */
export function doing({ reason, until, note }) {
  if (!DOINGS.includes(reason)) return "";
  return t(reason) + (until ? t("doneUntil", { text: formats.full.format(until) }) : "") + (note ? t("doneFor", { words: note }) : "");
}

/** Fills in the words that the markup names by data-t, data-t-label, data-t-placeholder, data-t-title. */
function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t) ?? "";
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel) ?? "");
  }
  for (const node of root.querySelectorAll("[data-t-title]")) {
    node.title = t(node.dataset.tTitle) ?? "";
    node.setAttribute("aria-label", node.title);
  }
  for (const node of root.querySelectorAll("[data-t-placeholder]")) {
    node.placeholder = t(node.dataset.tPlaceholder) ?? "";
  }
}

export const number = (value) => formats.number.format(value);
export const time = (ms) => formats.time.format(ms);
export const fullTime = (ms) => formats.full.format(ms);
export const collator = () => formats.collator;

/** The day of a time, in the local time zone, as a number that can be compared. */
export function dayOf(ms) {
  const date = new Date(ms);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000);
}

/** A day as a heading: "today", "yesterday", or its date. */
export function day(ms) {
  const ago = dayOf(Date.now()) - dayOf(ms);
  if (ago === 0 || ago === 1) {
    const words = formats.relative.format(-ago, "day");
    return words.charAt(0).toLocaleUpperCase() + words.slice(1);
  }
  return (ago < 300 && ago > 0 ? formats.day : formats.dayOfYear).format(ms);
}

/** A time in few characters: today's as the time, others as the date. */
export function brief(ms) {
  return dayOf(ms) === dayOf(Date.now()) ? time(ms) : formats.short.format(ms);
}

/** Milliseconds between checks: a timer until midnight would stop while the computer sleeps. */
const LOOK = 30_000;
const ofDay = new Set();
let today = dayOf(Date.now());

function look() {
  const now = dayOf(Date.now());
  if (now === today) return;
  today = now;
  for (const listener of [...ofDay]) listener();
}

setInterval(look, LOOK);
for (const name of ["focus", "pageshow", "visibilitychange"]) addEventListener(name, look, true);

/** Calls `listener` at the start of each day, as "today" changes. Returns a function that ends this. */
export function onDay(listener) {
  ofDay.add(listener);
  return () => ofDay.delete(listener);
}
