import assert from "node:assert/strict";
import { test } from "node:test";

import { Roster } from "../../../../chatroom/transports/web/static/js/session/roster.js";
import { visibleRows } from "../../../../chatroom/transports/web/static/js/browser/virtual-list.js";

const collator = new Intl.Collator("en");
const person = (userId, userName = `n${userId}`, userStatus = 0) => ({ userId, userName, userStatus });
const ids = (roster) => roster.list(collator).map(({ userId }) => userId);

test("a few people are known by the login, by name, and kept up to date", () => {
  const roster = new Roster();
  roster.reset([person(3, "c"), person(1, "b"), person(2, "a")], 3);
  assert.equal(roster.complete, true);
  assert.deepEqual(ids(roster), [2, 1, 3]);
  roster.change({ online: 3, partial: false, changes: [person(1, "b", 1), person(9, "d", 2)] });
  assert.deepEqual(ids(roster), [2, 3, 9]);
});

test("a crowd is learned page by page, in the order of the ids", () => {
  const roster = new Roster();
  roster.reset([], 5);
  assert.equal(roster.complete, false);
  roster.addPage(0, { users: [person(1), person(2)], online: 5, next: 2 });
  assert.equal(roster.knownTo, 2);
  roster.addPage(2, { users: [person(5), person(7), person(8)], online: 5, next: null });
  assert.equal(roster.complete, true);
  assert.deepEqual(ids(roster), [1, 2, 5, 7, 8]);
});

test("a page that is asked for again tells who of its part is gone", () => {
  const roster = new Roster();
  roster.reset([], 6);
  roster.addPage(0, { users: [1, 2, 3, 4].map((id) => person(id)), online: 6, next: 4 });
  roster.addPage(1, { users: [person(3)], online: 5, next: 3 });
  assert.deepEqual(ids(roster), [1, 3, 4]);
});

test("one person looked up does not make those before known", () => {
  const roster = new Roster();
  roster.reset([], 900);
  roster.addPage(499, { users: [person(500)], online: 900, next: 500 });
  assert.equal(roster.knownTo, 0);
  assert.equal(roster.get(500).userName, "n500");
});

test("when it is no longer crowded everybody is to be asked for once more", () => {
  const roster = new Roster();
  roster.reset([], 600);
  assert.equal(roster.change({ online: 500, partial: true, changes: [] }), false);
  assert.equal(roster.change({ online: 399, partial: false, changes: [] }), true);
});

test("only the rows in sight are made, with a few to spare", () => {
  assert.deepEqual(visibleRows({ top: 0, height: 560, rowHeight: 56, count: 5000 }), [0, 16]);
  assert.deepEqual(visibleRows({ top: 56_000, height: 560, rowHeight: 56, count: 5000 }), [994, 1016]);
  assert.deepEqual(visibleRows({ top: 56_000, height: 560, rowHeight: 56, count: 3 }), [3, 3]);
});
