// Places in a conversation: two numbers joined by "-". They may be too large for a double, and are
// not times.

/** The largest second number that a place can have. */
const LAST = "9999999999999999999";

const ZERO = "0-0";

function compareNumbers(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  return a === b ? 0 : a < b ? -1 : 1;
}

function parts(seq) {
  const cut = seq.indexOf("-");
  const number = (text) => text.replace(/^0+(?=.)/, "");
  return [number(seq.slice(0, cut)), number(seq.slice(cut + 1))];
}

/** Negative, 0 or positive, as for sort(). */
export function compare(a, b) {
  if (a === b) return 0;
  const [a1, a2] = parts(a);
  const [b1, b2] = parts(b);
  return compareNumbers(a1, b1) || compareNumbers(a2, b2);
}

export function newer(a, b) {
  return b === null || b === undefined ? true : compare(a, b) > 0;
}

export function latest(a, b) {
  if (!a || !b) return a || b || null;
  return compare(a, b) >= 0 ? a : b;
}

/** The place just before this one. */
export function before(seq) {
  const [first, second] = parts(seq);
  if (second !== "0") return `${first}-${BigInt(second) - 1n}`;
  if (first !== "0") return `${BigInt(first) - 1n}-${LAST}`;
  return ZERO;
}

/** The index in a sorted list of things with a `seq` where this one is or would be. */
export function search(list, seq) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle].seq, seq) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
