// Light or dark, and the size of the text: as the system has it, or as chosen here. This module runs
// before the page is first painted, so it imports almost nothing.

import * as prefs from "./prefs.js";

const THEMES = ["system", "light", "dark"];
/** Per cent of the browser's own text size. */
const SIZES = [90, 100, 115, 130, 150];

const MEDIA = { light: "not all", dark: "all", system: "(prefers-color-scheme: dark)" };

export function theme() {
  const chosen = prefs.get("theme");
  return THEMES.includes(chosen) ? chosen : "system";
}

export function size() {
  const chosen = prefs.get("size");
  return SIZES.includes(chosen) ? chosen : 100;
}

function apply() {
  const media = MEDIA[theme()];
  for (const node of document.querySelectorAll("[data-dark]")) node.media = media;
  document.documentElement.style.colorScheme = theme() === "system" ? "" : theme();
  document.documentElement.style.fontSize = size() === 100 ? "" : `${size()}%`;
  // Some heights are a number of text lines.
  dispatchEvent(new Event("resize"));
}

export function choose(name, value) {
  prefs.set(name, value);
  apply();
}

apply();
for (const name of ["theme", "size"]) prefs.watch(name, apply);
