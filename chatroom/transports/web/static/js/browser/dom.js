// Making nodes. Text is always text: nothing in here turns a string into markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties (`class`, `dataset`, `on…`, attributes) and children. */
export function h(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  back: "M15 5l-7 7 7 7",
  people: "M9 11a4 4 0 100-8 4 4 0 000 8zM2 21v-1a7 7 0 0114 0v1M16 3.5a4 4 0 010 7M18 14a6.5 6.5 0 014 6v1",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5",
  send: "M5 12h13M12 5l7 7-7 7",
  down: "M12 5v14M5 12l7 7 7-7",
  close: "M6 6l12 12M18 6L6 18",
  clock: "M12 7v5l3 2M12 21a9 9 0 100-18 9 9 0 000 18z",
  warning: "M12 8v5M12 16.5v.1M12 3L2.5 20h19z",
  lobby: "M4 5h16v11H9l-5 4z",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 15a3 3 0 100-6 3 3 0 000 6z",
  unread: "M20 12v7H4V5h9M19 8a3 3 0 100-6 3 3 0 000 6z",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM16 16l5 5",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Puts icons where the markup has a data-icon. */
export function placeIcons(root) {
  for (const node of root.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
}

/** What people see as one character, such as the emoji of a family. */
const letters = Intl.Segmenter && new Intl.Segmenter();

/** A round picture for a person: the first letter, in a colour of their own. */
export function avatar(userId, name, className = "avatar") {
  const text = (name || String(userId)).trim().slice(0, 32);
  const first = letters ? letters.segment(text)[Symbol.iterator]().next().value?.segment : [...text][0];
  const node = h("span", { class: className, "aria-hidden": "true" }, (first ?? "?").toLocaleUpperCase());
  node.style.setProperty("--hue", String((userId * 137.508) % 360));
  return node;
}

/** Gives a node these children, in this order, and moves no more of them than necessary. */
export function arrange(parent, nodes) {
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

/** The events by which the page is left or hidden: waiting work has to be done before that. */
const LEAVING = ["pagehide", "blur", "visibilitychange"];

/**
 * `soon()` runs `call` once within so many milliseconds, however often `soon` is called. `now()` runs it
 * at once if it is due, and so do the signal and the person's leaving the page.
 */
export function later(call, ms, signal) {
  let timer = 0;
  const now = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    call();
  };
  for (const name of LEAVING) addEventListener(name, now, { signal, capture: true });
  signal.addEventListener("abort", now);
  return { now, soon: () => (timer ||= setTimeout(now, ms)) };
}

/** Milliseconds. A hidden page may get no frames, but has to be up to date when it is shown. */
const LATEST = 200;

/** Returns a function that runs `call` once in the next frame, however often the function is called. */
export function eachFrame(call) {
  let frame = 0;
  let timer = 0;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = 0;
    call();
  };
  return () => {
    if (frame) return;
    frame = requestAnimationFrame(run);
    timer = setTimeout(run, LATEST);
  };
}
