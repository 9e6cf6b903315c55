import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_WAITING, Outbox, WINDOW } from "../../../../chatroom/transports/web/static/js/session/outbox.js";
import { FakeClock } from "./doubles.mjs";

function stage() {
  const stage = { clock: new FakeClock(), sent: [], saved: [], overdue: 0 };
  stage.outbox = new Outbox({
    clock: stage.clock,
    chance: () => 1,
    save: (entries) => (stage.saved = entries.map(({ id, state }) => `${id} ${state}`)),
    changed: () => {},
    overdue: () => (stage.overdue += 1),
  });
  stage.open = () => stage.outbox.open((type, data) => stage.sent.push(data.id));
  stage.take = () => stage.sent.splice(0);
  return stage;
}

test("what is written offline is kept, and sent in order once there is a connection", () => {
  const { outbox, saved, open, take, ...rest } = stage();
  outbox.add("a", "lobby", "1");
  outbox.add("b", "u7", "2");
  assert.deepEqual(take(), []);
  open();
  assert.deepEqual(take(), ["a", "b"]);
  assert.ok(rest);
});

test("rooms and people are sent to by the messages that the protocol has", () => {
  const { outbox } = stage();
  const frames = [];
  outbox.open((...frame) => frames.push(frame));
  outbox.add("a", "lobby", "1");
  outbox.add("b", "u7", "2");
  assert.deepEqual(frames, [
    ["SmsMes", { content: "1", id: "a", room: "lobby" }],
    ["PrivateMes", { content: "2", id: "b", toUserId: 7 }],
  ]);
});

test("what has no answer when the connection breaks is sent again under the same id", () => {
  const { outbox, open, take } = stage();
  open();
  outbox.add("a", "lobby", "1");
  outbox.add("b", "lobby", "2");
  outbox.settle("a");
  take();
  outbox.shut();
  open();
  assert.deepEqual(take(), ["b"]);
});

test("a settled message is gone from what is kept", () => {
  const it = stage();
  it.open();
  it.outbox.add("a", "lobby", "1");
  assert.deepEqual(it.saved, ["a waiting"]);
  it.outbox.settle("a");
  assert.deepEqual(it.saved, []);
  assert.equal(it.outbox.settle("a"), undefined);
});

test("told to wait, it holds everything back so long and then goes on in order", () => {
  const { outbox, clock, open, take } = stage();
  open();
  outbox.add("a", "lobby", "1");
  outbox.add("b", "lobby", "2");
  take();
  outbox.refuse("a", { code: 429, retryAfter: 3 });
  outbox.refuse("b", { code: 429, retryAfter: 3 });
  outbox.add("c", "lobby", "3");
  clock.advance(2_999);
  assert.deepEqual(take(), []);
  clock.advance(1);
  assert.deepEqual(take(), ["a", "b", "c"]);
});

test("a new connection does not shorten the wait that the server asked for", () => {
  const { outbox, clock, open, take } = stage();
  open();
  outbox.add("a", "lobby", "1");
  take();
  outbox.refuse("a", { code: 429, retryAfter: 30 });
  outbox.shut();
  open();
  assert.deepEqual(take(), []);
  clock.advance(30_000);
  assert.deepEqual(take(), ["a"]);
});

test("a store that is away is tried again", () => {
  const { outbox, clock, open, take } = stage();
  open();
  outbox.add("a", "lobby", "1");
  take();
  outbox.refuse("a", { code: 505 });
  assert.equal(outbox.get("a").state, "waiting");
  clock.advance(2_000);
  assert.deepEqual(take(), ["a"]);
});

test("every other refusal is final, and lets the next message through", () => {
  for (const code of [400, 401, 403, 404, 413, 507, 599]) {
    const { outbox, clock, open, take } = stage();
    open();
    outbox.add("a", "lobby", "1");
    outbox.add("b", "lobby", "2");
    take();
    outbox.refuse("a", { code });
    assert.equal(outbox.get("a").state, "failed", `${code}`);
    outbox.settle("b");
    clock.advance(60_000);
    assert.deepEqual(take(), [], `${code}`);
  }
});

test("a final refusal is kept with its reason until it is retried or discarded", () => {
  const it = stage();
  it.open();
  it.outbox.add("a", "u9", "1");
  it.outbox.refuse("a", { code: 404 });
  assert.deepEqual(it.saved, ["a failed"]);
  assert.equal(it.outbox.get("a").code, 404);
  it.take();
  it.outbox.shut();
  it.open();
  assert.deepEqual(it.take(), []);
  it.outbox.retry("a");
  assert.deepEqual(it.take(), ["a"]);
  it.outbox.refuse("a", { code: 404 });
  it.outbox.discard("a");
  assert.deepEqual(it.saved, []);
});

test("a message that waits can't be discarded: it may be stored already", () => {
  const { outbox } = stage();
  outbox.add("a", "lobby", "1");
  outbox.discard("a");
  assert.equal(outbox.waiting, 1);
});

test("no more are unanswered than the server remembers", () => {
  const { outbox, open, take } = stage();
  open();
  for (let i = 0; i < WINDOW + 5; i += 1) outbox.add(`m${i}`, "lobby", "x");
  assert.equal(take().length, WINDOW);
  outbox.settle("m1");
  assert.deepEqual(take(), [], "counted from the oldest one, not by those under way");
  outbox.settle("m0");
  assert.deepEqual(take(), [`m${WINDOW}`, `m${WINDOW + 1}`]);
});

test("what may wait is bounded", () => {
  const { outbox } = stage();
  for (let i = 0; i < MOST_WAITING; i += 1) assert.ok(outbox.add(`m${i}`, "lobby", "x"));
  assert.equal(outbox.add("one more", "lobby", "x"), false);
});

test("what an earlier page left behind goes before what is written now", () => {
  const { outbox, open, take } = stage();
  outbox.add("new", "lobby", "2");
  outbox.adopt([{ id: "old", key: "lobby", text: "1", at: 1, state: "waiting", code: 0 }]);
  outbox.adopt([{ id: "old", key: "lobby", text: "1", at: 1, state: "waiting", code: 0 }]);
  open();
  assert.deepEqual(take(), ["old", "new"]);
});

test("a server that leaves messages unanswered for 20 s is doubted", () => {
  const it = stage();
  it.open();
  it.outbox.add("a", "lobby", "1");
  it.clock.advance(10_000);
  it.outbox.touched();
  it.clock.advance(19_000);
  assert.equal(it.overdue, 0);
  it.clock.advance(1_000);
  assert.equal(it.overdue, 1);
});

test("it is doubted no sooner and no later when the time of day is set meanwhile", () => {
  for (const ahead of [3_600_000, -3_600_000]) {
    const it = stage();
    it.open();
    it.outbox.add("a", "lobby", "1");
    it.clock.ahead = ahead;
    it.clock.advance(19_000);
    assert.equal(it.overdue, 0);
    it.clock.advance(1_000);
    assert.equal(it.overdue, 1);
  }
});
