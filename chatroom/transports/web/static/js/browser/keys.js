// The keys that are pressed, without those of an input method.

/** While an input method composes, Enter and the rest are its own; Safari tells only by the key code. */
export function composes(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Calls for each key pressed there; where it was dealt with already, not again. */
export function onKeys(target, call, options) {
  target.addEventListener("keydown", (event) => composes(event) || event.defaultPrevented || call(event), options);
}

/** Whether keys write there. */
export function isField(node) {
  return node?.matches("input, textarea, select, [contenteditable]") ?? false;
}
