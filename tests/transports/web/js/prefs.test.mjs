import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** A browser's storage with room for so many characters. */
class Storage {
  constructor(room) {
    Object.defineProperty(this, "room", { value: room, writable: true });
  }

  getItem(name) {
    return Object.hasOwn(this, name) ? this[name] : null;
  }

  setItem(name, value) {
    const others = Object.entries(this).filter(([key]) => key !== name);
    const size = others.reduce((sum, [key, text]) => sum + key.length + text.length, name.length + value.length);
    if (size > this.room) throw new Error("full");
    this[name] = value;
  }

  removeItem(name) {
    delete this[name];
  }
}

const listeners = new Set();
globalThis.addEventListener = (_, listener) => listeners.add(listener);
globalThis.removeEventListener = (_, listener) => listeners.delete(listener);
const told = (key) => [...listeners].forEach((listener) => listener({ key }));
const prefs = await import("../../../../chatroom/transports/web/static/js/browser/prefs.js");

beforeEach(() => {
  for (const name of prefs.names("")) prefs.set(name, null);
  globalThis.localStorage = new Storage(1_000);
});

test("what there is no room for stays with this page, and is said to", () => {
  assert.equal(prefs.set("draft:7:u1", "short"), true);
  assert.equal(prefs.set("draft:7:u12", "x".repeat(2_000)), false);
  assert.equal(prefs.get("draft:7:u12").length, 2_000);
  assert.deepEqual(prefs.names("draft:7:").sort(), ["draft:7:u1", "draft:7:u12"]);
  assert.equal(prefs.kept("draft:7:u12"), false);
  assert.equal(prefs.kept("draft:7:u1"), true);
  assert.equal(prefs.kept("draft:"), false);
  assert.equal(prefs.kept("queue:"), true);
});

test("it is kept as soon as there is room", () => {
  prefs.set("big", "x".repeat(600));
  assert.equal(prefs.set("queue:7:a", "y".repeat(600)), false);
  prefs.set("big", null);
  assert.equal(prefs.kept("queue:"), true);
  assert.equal(JSON.parse(localStorage.getItem("chatroom:queue:7:a")).length, 600);
});

test("it is kept, too, where another tab makes room", () => {
  prefs.set("big", "x".repeat(600));
  prefs.set("queue:7:a", "y".repeat(600));
  const end = prefs.watch("nothing", () => {});
  localStorage.removeItem("chatroom:big");
  told("chatroom:big");
  end();
  assert.equal(prefs.kept("queue:"), true);
});

test("a shorter value that fits takes the place of one that did not", () => {
  assert.equal(prefs.set("draft:7:u1", "x".repeat(2_000)), false);
  assert.equal(prefs.set("draft:7:u1", "short"), true);
  assert.equal(localStorage.getItem("chatroom:draft:7:u1"), '"short"');
});

test("storage that is forbidden is as none", () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("forbidden");
    },
  });
  assert.equal(prefs.set("draft:7:u1", "text"), false);
  assert.equal(prefs.get("draft:7:u1"), "text");
  assert.deepEqual(prefs.names("draft:"), ["draft:7:u1"]);
  assert.equal(prefs.set("draft:7:u1", null), true);
  assert.equal(prefs.get("draft:7:u1"), null);
  Object.defineProperty(globalThis, "localStorage", { configurable: true, writable: true, value: new Storage(1_000) });
});

test("a name is watched for itself, and all names by what they begin with", () => {
  const heard = [];
  const ends = [prefs.watch("user", (value) => heard.push(value)), prefs.watch("draft:7:", (value, name) => heard.push(name))];
  localStorage.setItem("chatroom:user", "7");
  for (const key of ["chatroom:user", "chatroom:users", "chatroom:draft:7:u1", "chatroom:draft:71:u1", "else", null]) told(key);
  for (const end of ends) end();
  told("chatroom:user");
  assert.deepEqual(heard, [7, "draft:7:u1"]);
});
