// What this browser remembers. Each value lies under a name of its own and is written whole, so no
// tab undoes what another one did. Storage may be forbidden or full: then this page alone has the
// value, until there is room for it.

const PREFIX = "chatroom:";
/** What only this page has, by name. */
const unkept = new Map();

export function get(name) {
  if (unkept.has(name)) return unkept.get(name);
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** False where only this page has it. Null, and nothing, is never kept. */
export function set(name, value = null) {
  const done = write(name, value);
  if (done || value === null) unkept.delete(name);
  else unkept.set(name, value);
  if (done) retry();
  return !unkept.has(name);
}

/** Whether what has this name outlives this page; where it ends in a colon, all that begins with it. */
export function kept(start) {
  return ![...unkept.keys()].some((name) => matches(name, start));
}

export function names(start) {
  let stored = [];
  try {
    stored = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    // Only what this page has.
  }
  return [...new Set([...stored, ...unkept.keys()])].filter((name) => name.startsWith(start));
}

/**
 * Another tab changed what has this name, or begins with it, as above: `changed(value, name)`. Returns
 * what ends it.
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
