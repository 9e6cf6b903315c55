// Making nodes. Text is always text: there is no way in here to put markup from a string.

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

/** Puts the icons where the markup asks for them with data-icon. */
export function placeIcons(root) {
  for (const node of root.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
}

/** What people take for one character, such as a family. */
const letters = Intl.Segmenter && new Intl.Segmenter();

/** A round picture for a person: the first letter, in a colour of their own. */
export function avatar(userId, name, className = "avatar") {
  const text = (name || String(userId)).trim().slice(0, 32);
  const first = letters ? letters.segment(text)[Symbol.iterator]().next().value?.segment : [...text][0];
  const node = h("span", { class: className, "aria-hidden": "true" }, (first ?? "?").toLocaleUpperCase());
  node.style.setProperty("--hue", String((userId * 137.508) % 360));
  return node;
}

/** Makes the children of a node these, in this order, and moves no more of them than it must. */
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

/** What takes the page, or the person, elsewhere: what waits to be done has to be done before. */
const LEAVING = ["pagehide", "blur", "visibilitychange"];

/**
 * `soon()` runs `call` once within so many milliseconds, however often it is called; `now()` does so at
 * once if it is due, as do the person's leaving the page and the signal.
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

/** A page that is not looked at may get no frames, and has to be right when it is; milliseconds. */
const LATEST = 200;

/** A function that runs `call` once in the next frame, however often it is called. */
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
