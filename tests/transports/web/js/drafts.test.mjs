import assert from "node:assert/strict";
import { test } from "node:test";

import { Drafts } from "../../../../chatroom/transports/web/static/js/browser/drafts.js";
import { FakeStore } from "./doubles.mjs";

const ME = 7;

test("each conversation has a draft of its own, and so has each person", () => {
  const store = new FakeStore();
  const mine = new Drafts(store, ME);
  mine.keep("lobby", "one");
  mine.keep("u1", "two");
  new Drafts(store, 71).keep("lobby", "somebody else's");
  assert.deepEqual(mine.keys().sort(), ["lobby", "u1"]);
  assert.deepEqual(["lobby", "u1", "u12"].map((key) => mine.of(key)), ["one", "two", ""]);
  mine.keep("u1", "");
  assert.deepEqual(mine.keys(), ["lobby"]);
});

test("what another tab wrote or sent is told, and is there", () => {
  const kept = new Map();
  const [here, there] = [new FakeStore(kept), new FakeStore(kept)];
  const [mine, other] = [new Drafts(here, ME), new Drafts(there, ME)];
  const told = [];
  mine.on("changed", (key) => told.push([key, mine.of(key)]));
  mine.start();
  for (const text of ["written there", ""]) {
    other.keep("u1", text);
    here.told("draft:7:u1");
  }
  assert.deepEqual(told, [["u1", "written there"], ["u1", ""]]);
});
