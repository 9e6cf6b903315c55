// Light or dark, and how large the text is: as the system has it, or as it was chosen here. It comes
// before the page is first painted, so it imports next to nothing.

import * as prefs from "./prefs.js";

const THEMES = ["system", "light", "dark"];
/** Per cent of what the browser has. */
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
  // Some things are as high as so many lines.
  dispatchEvent(new Event("resize"));
}

export function choose(name, value) {
  prefs.set(name, value);
  apply();
}

apply();
for (const name of ["theme", "size"]) prefs.watch(name, apply);
