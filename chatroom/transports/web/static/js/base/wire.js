// The envelope that travels over the WebSocket, the codes, and ids for messages. No I/O.

export const CODE = Object.freeze({
  OK: 200,
  STORED_OFFLINE: 202,
  MALFORMED: 400,
  NOT_LOGGED_IN: 401,
  WRONG_PASSWORD: 403,
  NO_RECIPIENT: 404,
  CLOSED: 409,
  GONE: 410,
  TOO_LARGE: 413,
  TOO_FAST: 429,
  NO_SUCH_USER: 500,
  UNAVAILABLE: 505,
  REGISTER_FAILED: 506,
  MAILBOX_FULL: 507,
});

export const STATUS = Object.freeze({ ONLINE: 0, OFFLINE: 1, BUSY: 2 });

/** Most characters in one message; the server counts code points, as this page does. */
export const MAX_CONTENT = 4000;

export const LOBBY = "lobby";

/** The sender of operators' announcements; no account has this id. */
export const OPERATOR = 0;

/** One message as text for the WebSocket. */
export function encode(type, data = {}) {
  return JSON.stringify({ type, data: JSON.stringify(data) });
}

/** The type and fields of a message; throws an Error if it is not one. */
export function decode(text) {
  const envelope = JSON.parse(text);
  if (typeof envelope?.type !== "string" || typeof envelope.data !== "string") {
    throw new Error("not an envelope");
  }
  const data = JSON.parse(envelope.data);
  if (data === null || typeof data !== "object") throw new Error("not a message");
  return { type: envelope.type, data };
}

/** An id for an own message: 128 random bits, so that no two devices make the same one by chance. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => ({ "+": "-", "/": "_" })[c] ?? "");
}

/** How many characters the server counts in a text. */
export function countCharacters(text) {
  let count = text.length;
  // A surrogate pair is one character on the server and two here.
  for (const _ of text.matchAll(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g)) count -= 1;
  return count;
}

/** A conversation's key: the room's name, or "u" and the other person's id. */
export function keyOf(peer) {
  return `u${peer}`;
}

/** The other person's id, or null if the key is a room's; the server has ids up to 2^53 - 1. */
export function peerOf(key) {
  const id = /^u[1-9]\d{0,15}$/.test(key) ? Number(key.slice(1)) : 0;
  return id && id <= Number.MAX_SAFE_INTEGER ? id : null;
}

/**
 * What the page's address asks for: {} is the list, {people: true} the people, {key} a conversation;
 * null: nothing known. A link may come from anybody, so the address may be anything.
 */
export function readAddress(hash) {
  const name = hash.startsWith("#/") ? hash.slice(2) : hash.slice(1);
  if (name === "") return {};
  if (name === "people") return { people: true };
  return name === LOBBY || peerOf(name) !== null ? { key: name } : null;
}
