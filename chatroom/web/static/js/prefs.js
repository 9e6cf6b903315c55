// What this browser remembers. Storage may be forbidden or full; then it remembers less.

const PREFIX = "chatroom:";

export function get(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** False where it could not be kept. */
export function set(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function names(start) {
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(PREFIX + start))
      .map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

/** Another tab changed this; its new value is given. Returns what ends it. */
export function watch(name, changed) {
  const listener = (event) => {
    if (event.storageArea === localStorage && event.key === PREFIX + name) changed(get(name));
  };
  addEventListener("storage", listener);
  return () => removeEventListener("storage", listener);
}
