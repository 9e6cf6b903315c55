import assert from "node:assert/strict";
import { test } from "node:test";

import { before, compare, latest, newer, search } from "../../../../chatroom/transports/web/static/js/base/seq.js";

test("places are compared number by number, not as text", () => {
  assert.ok(compare("9-0", "10-0") < 0);
  assert.ok(compare("10-9", "10-10") < 0);
  assert.ok(compare("10-1", "9-999") > 0);
  assert.equal(compare("10-1", "10-1"), 0);
  assert.equal(compare("010-1", "10-01"), 0);
});

test("numbers beyond what a double holds are still told apart", () => {
  assert.ok(compare("1795452273441-9999999999999999998", "1795452273441-9999999999999999999") < 0);
  assert.ok(newer("9007199254740993-0", "9007199254740992-0"));
});

test("anything is newer than nothing", () => {
  assert.ok(newer("0-1", null));
  assert.ok(newer("0-1", undefined));
  assert.equal(latest(null, "1-0"), "1-0");
  assert.equal(latest("2-0", "1-0"), "2-0");
  assert.equal(latest(undefined, null), null);
});

test("the place before is the greatest smaller one", () => {
  assert.equal(before("5-2"), "5-1");
  assert.equal(before("5-0"), "4-9999999999999999999");
  assert.equal(before("5-10000000000000000000"), "5-9999999999999999999");
  assert.equal(before("0-0"), "0-0");
});

test("a place is found in a sorted list, or where it would be", () => {
  const list = ["1-0", "2-0", "10-0"].map((seq) => ({ seq }));
  assert.equal(search(list, "2-0"), 1);
  assert.equal(search(list, "3-0"), 2);
  assert.equal(search(list, "0-1"), 0);
  assert.equal(search(list, "11-0"), 3);
});
