// Values that this browser stores. Each has a name of its own and is written as a whole, so no tab
// undoes what another one did. If storage is forbidden or full, the value is kept in this page only,
// until there is room for it.

const PREFIX = "chatroom:";
/** Values that are kept in this page only, by name. */
const unkept = new Map();

export function get(name) {
  if (unkept.has(name)) return unkept.get(name);
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** Returns false if only this page keeps the value. Null removes it. */
export function set(name, value = null) {
  const done = write(name, value);
  if (done || value === null) unkept.delete(name);
  else unkept.set(name, value);
  if (done) retry();
  return !unkept.has(name);
}

/** Whether the value with this name outlives this page; if it ends in ":", all that begin with it. */
export function kept(start) {
  return ![...unkept.keys()].some((name) => matches(name, start));
}

export function names(start) {
  let stored = [];
  try {
    stored = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    // Only the value that this page has.
  }
  return [...new Set([...stored, ...unkept.keys()])].filter((name) => name.startsWith(start));
}

/**
 * Calls `changed(value, name)` when another tab has changed the value with this name, or one that begins
 * with it, as above. Returns a function that ends this.
 */
export function watch(start, changed) {
  const listener = ({ key }) => {
    retry();
    const name = key?.slice(PREFIX.length);
    if (key?.startsWith(PREFIX) && matches(name, start)) changed(get(name), name);
  };
  addEventListener("storage", listener);
  return () => removeEventListener("storage", listener);
}

const matches = (name, start) => (start.endsWith(":") ? name.startsWith(start) : name === start);

function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** There may be room now. */
function retry() {
  for (const [name, value] of unkept) if (write(name, value)) unkept.delete(name);
}
