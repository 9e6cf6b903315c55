import assert from "node:assert/strict";
import { test } from "node:test";

import { grouping } from "../../../../chatroom/transports/web/static/js/base/groups.js";

const MINUTE = 60_000;
const said = (userId, minutes) => ({ userId, sentAt: minutes * MINUTE });
const sameDay = (a, b) => Math.floor(a.sentAt / (1440 * MINUTE)) === Math.floor(b.sentAt / (1440 * MINUTE));

/** Which messages are the first of their group, from `start` on. */
function firsts(messages, start = 0, apart = []) {
  const isFirst = grouping(messages, start, sameDay);
  return messages.slice(start).map((_, at) => isFirst(start + at, apart.includes(start + at)));
}

test("a group is of one author, and lasts five minutes from its first message", () => {
  assert.deepEqual(firsts([said(1, 0), said(1, 4), said(2, 4), said(1, 5)]), [true, false, true, true]);
  assert.deepEqual(firsts([0, 2, 4, 5, 6, 8, 12].map((at) => said(1, at))), [true, false, false, false, true, false, true]);
});

test("another day, or something between, begins another group", () => {
  assert.deepEqual(firsts([said(1, 1439), said(1, 1440)]), [true, true]);
  assert.deepEqual(firsts([said(1, 0), said(1, 1), said(1, 2)], 0, [1]), [true, true, false]);
});

test("where one begins to look changes nothing", () => {
  const messages = Array.from({ length: 40 }, (_, at) => said(1, at * 2));
  const all = firsts(messages);
  for (let start = 1; start < messages.length; start += 1) assert.deepEqual(firsts(messages, start), all.slice(start));
});
