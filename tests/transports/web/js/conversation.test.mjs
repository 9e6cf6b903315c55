import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation } from "../../../../chatroom/transports/web/static/js/session/conversation.js";

const message = (n, own = false) => ({ seq: `${n}-0`, sentAt: n, own, content: `${n}` });
const seqs = (conversation) => conversation.messages.map(({ seq }) => seq);

test("messages stand in order, each once, however they come", () => {
  const conversation = new Conversation("u7");
  for (const n of [5, 9, 7, 5, 10]) conversation.add(message(n));
  assert.deepEqual(seqs(conversation), ["5-0", "7-0", "9-0", "10-0"]);
  assert.equal(conversation.add(message(7)), false);
});

test("a page of history and what comes live overlap without doubles", () => {
  const conversation = new Conversation("lobby");
  conversation.add(message(10));
  conversation.addPage([message(8), message(9), message(10)], true, null);
  conversation.addPage([message(6), message(7)], false, "8-0");
  assert.deepEqual(seqs(conversation), ["6-0", "7-0", "8-0", "9-0", "10-0"]);
  assert.equal(conversation.loaded, true);
  assert.equal(conversation.more, false);
});

test("a newest page says nothing of what is older than the oldest that is here", () => {
  const conversation = new Conversation("lobby");
  for (const n of [1, 2, 3]) conversation.add(message(n));
  conversation.addPage([message(3)], false, null);
  assert.equal(conversation.more, true);
});

test("an empty page before the oldest means that it is the first", () => {
  const conversation = new Conversation("lobby");
  conversation.add(message(3));
  conversation.addPage([], false, "3-0");
  assert.equal(conversation.more, false);
});

test("unread is what others said behind the read mark", () => {
  const conversation = new Conversation("u7");
  for (const n of [1, 2, 3, 4]) conversation.add(message(n, n === 3));
  assert.equal(conversation.unread, 0);
  conversation.markRead("1-0");
  assert.equal(conversation.unread, 2);
  assert.equal(conversation.firstUnread.seq, "2-0");
  conversation.markRead("4-0");
  assert.equal(conversation.unread, 0);
  assert.equal(conversation.firstUnread, null);
});

test("a read mark never goes back", () => {
  const conversation = new Conversation("u7");
  conversation.markRead("9-0");
  assert.equal(conversation.markRead("10-0"), true);
  assert.equal(conversation.markRead("9-5"), false);
  assert.equal(conversation.read, "10-0");
});

test("one time that was wrong holds no conversation at the top, and changes no order", () => {
  const conversation = new Conversation("u7");
  conversation.add(message(1));
  conversation.add({ ...message(2), sentAt: 9000 });
  assert.equal(conversation.activity, 9000);
  conversation.addPage([message(2), message(3)], false, null);
  assert.equal(conversation.activity, 3);
  assert.deepEqual(seqs(conversation), ["1-0", "2-0", "3-0"]);
  conversation.touched = 5;
  assert.equal(conversation.activity, 5);
});

test("what is kept is bounded, and older messages can be asked for again", () => {
  const conversation = new Conversation("lobby");
  conversation.more = false;
  for (let n = 1; n <= 6001; n += 1) conversation.add(message(n));
  assert.equal(conversation.messages.length, 5000);
  assert.equal(conversation.newest.seq, "6001-0");
  assert.equal(conversation.more, true);
});
