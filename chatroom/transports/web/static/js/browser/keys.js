// Key presses, except those that an input method handles.

/** While an input method composes, it gets Enter and other keys; Safari shows this only by the key code. */
export function composes(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Calls `call` for each key pressed there, unless the key was handled already. */
export function onKeys(target, call, options) {
  target.addEventListener("keydown", (event) => composes(event) || event.defaultPrevented || call(event), options);
}

/** Whether a key press enters text there. */
export function isField(node) {
  return node?.matches("input, textarea, select, [contenteditable]") ?? false;
}
