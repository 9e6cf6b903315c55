import assert from "node:assert/strict";
import { test } from "node:test";

import { countCharacters, decode, encode, keyOf, newId, peerOf, readAddress } from "../../../../chatroom/transports/web/static/js/base/wire.js";

test("an envelope holds its fields as JSON in a string", () => {
  const text = encode("SmsMes", { content: "hi" });
  assert.deepEqual(JSON.parse(text), { type: "SmsMes", data: '{"content":"hi"}' });
  assert.deepEqual(decode(text), { type: "SmsMes", data: { content: "hi" } });
  assert.equal(encode("PingMes"), '{"type":"PingMes","data":"{}"}');
});

test("what is no envelope is refused", () => {
  for (const text of ["", "null", "[]", '{"type":"A"}', '{"type":"A","data":{}}', '{"type":"A","data":"1"}']) {
    assert.throws(() => decode(text), text);
  }
});

test("ids have 128 random bits in characters that every place takes", () => {
  const ids = new Set(Array.from({ length: 500 }, newId));
  assert.equal(ids.size, 500);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{22}$/);
});

test("characters are counted as the server counts them", () => {
  assert.equal(countCharacters("abc"), 3);
  assert.equal(countCharacters("王🦊"), 2);
  assert.equal(countCharacters("🦊".repeat(4000)), 4000);
});

test("a conversation's key tells a person from a room", () => {
  assert.equal(peerOf(keyOf(42)), 42);
  assert.equal(peerOf("lobby"), null);
  assert.equal(peerOf("u0"), null);
  assert.equal(peerOf("u2-room"), null);
});

test("an address leads to a conversation, the people, the list, or nowhere", () => {
  assert.deepEqual(readAddress(""), {});
  assert.deepEqual(readAddress("#/"), {});
  assert.deepEqual(readAddress("#/people"), { people: true });
  assert.deepEqual(readAddress("#/lobby"), { key: "lobby" });
  assert.deepEqual(readAddress("#/u9007199254740991"), { key: "u9007199254740991" });
  for (const name of ["%", "%E0%A4%A", "u", "u0", "u01", "u-1", "u9007199254740992", `u${"9".repeat(400)}`, "attic", "lobby/x"]) {
    assert.equal(readAddress(`#/${name}`), null, name);
  }
});
