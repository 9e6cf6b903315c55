import assert from "node:assert/strict";
import { test } from "node:test";

import { Requests } from "../../../../chatroom/transports/web/static/js/session/requests.js";
import { FakeClock } from "./doubles.mjs";

function stage() {
  const it = { clock: new FakeClock(), sent: [], online: true, overdue: 0 };
  it.requests = new Requests({
    clock: it.clock,
    send: (type, data) => it.online && it.sent.push(data.n) > 0,
    overdue: () => (it.overdue += 1),
  });
  it.ask = (n, options) => it.requests.ask("AMes", { n }, "AResMes", options);
  return it;
}

test("one is asked at a time, urgent ones first", async () => {
  const it = stage();
  const answers = [it.ask(1), it.ask(2), it.ask(3, { urgent: true })];
  assert.deepEqual(it.sent, [1]);
  for (const n of [1, 3, 2]) assert.ok(it.requests.answered("AResMes", n));
  assert.deepEqual(it.sent, [1, 3, 2]);
  assert.deepEqual(await Promise.all(answers), [1, 2, 3]);
  assert.equal(it.requests.answered("AResMes", 4), false);
});

test("an error is the answer to the one that was asked", async () => {
  const it = stage();
  const first = it.ask(1);
  const second = it.ask(2);
  it.requests.failed({ code: 400 });
  await assert.rejects(first, { code: 400 });
  it.requests.answered("AResMes", "fine");
  assert.equal(await second, "fine");
});

test("too fast: the same is asked again when it may be", async () => {
  const it = stage();
  const answer = it.ask(1);
  it.requests.failed({ code: 429, retryAfter: 7 });
  it.clock.advance(6_999);
  assert.deepEqual(it.sent, [1]);
  it.clock.advance(1);
  assert.deepEqual(it.sent, [1, 1]);
  it.requests.answered("AResMes", "fine");
  assert.equal(await answer, "fine");
});

test("a broken connection fails all that were asked", async () => {
  const it = stage();
  const asked = [it.ask(1), it.ask(2)];
  it.requests.shut();
  for (const one of asked) await assert.rejects(one, { code: 0 });
  it.online = false;
  await assert.rejects(it.ask(3), { code: 0 });
});

test("no answer in 15 s throws doubt on the connection", () => {
  const it = stage();
  it.ask(1).catch(() => {});
  it.clock.advance(15_000);
  assert.equal(it.overdue, 1);
});
