import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../../../../chatroom/transports/web/static/js/session/socket.js";
import { FakeClock, FakeSocket } from "./doubles.mjs";

function stage() {
  const it = { clock: new FakeClock(), sockets: [], states: [], messages: [], refused: [] };
  it.connection = new Connection({
    connect: () => {
      it.socket = new FakeSocket();
      it.sockets.push(it.socket);
      return it.socket;
    },
    clock: it.clock,
    chance: () => 1,
    hello: () => ({ userId: 7, protocol: 2 }),
    onMessage: (type, data) => it.messages.push([type, data]),
    onState: (state) => it.states.push(state),
    onRefused: ({ code }) => it.refused.push(code),
  });
  it.connection.start();
  it.join = () => {
    it.socket.open();
    it.socket.hear("LoginResMes", { code: 200 });
    it.socket.take();
  };
  return it;
}

test("it says who it is first, with no password, and is online once that is answered", () => {
  const { socket, connection, states } = stage();
  socket.open();
  assert.deepEqual(socket.sent, [{ type: "LoginMes", data: { userId: 7, protocol: 2 } }]);
  assert.equal(connection.send("SmsMes", {}), false);
  socket.hear("LoginResMes", { code: 200 });
  assert.equal(connection.state, "online");
  assert.deepEqual(states, ["connecting", "online"]);
  assert.equal(connection.send("SmsMes", {}), true);
});

test("a broken connection is offline until it is tried again, later and later", () => {
  const it = stage();
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    it.socket.break();
    assert.equal(it.connection.state, "offline");
    waits.push(it.connection.retryIn);
    it.clock.advance(waits.at(-1));
    assert.equal(it.connection.state, "connecting");
  }
  assert.deepEqual(waits, [300, 600, 1200, 2400, 4800, 9600, 15000, 15000]);
});

test("a connection that held makes the next wait short again", () => {
  const it = stage();
  for (let i = 0; i < 5; i += 1) {
    it.socket.break();
    it.connection.retry();
  }
  it.join();
  it.clock.advance(5_000);
  it.socket.break();
  assert.equal(it.connection.retryIn, 300);
});

test("the person, and a page that wakes, need not wait", () => {
  const it = stage();
  it.socket.break();
  it.connection.retry();
  assert.equal(it.sockets.length, 2);
  it.socket.break();
  it.connection.wake();
  assert.equal(it.sockets.length, 3);
  it.clock.advance(60_000 - 1);
  it.socket.open();
  assert.ok(it.sockets.length >= 3);
});

test("what an abandoned connection still says is not heard", () => {
  const it = stage();
  it.join();
  const old = it.socket;
  it.connection.doubt();
  it.connection.retry();
  it.messages.length = 0;
  old.hear("SmsMes", {});
  old.break();
  assert.deepEqual(it.messages, []);
  assert.equal(it.connection.state, "connecting");
  assert.ok(old.closed);
});

test("pings are answered, silence is asked about after 30 s and not believed after 75 s", () => {
  const it = stage();
  it.join();
  it.socket.hear("PingMes", {});
  assert.deepEqual(it.socket.types(), ["PongMes"]);
  it.socket.take();
  it.clock.advance(29_000);
  assert.deepEqual(it.socket.types(), []);
  it.clock.advance(6_000);
  assert.deepEqual(it.socket.types(), ["PingMes"]);
  it.clock.advance(39_000);
  assert.equal(it.connection.state, "online");
  it.clock.advance(6_000);
  assert.notEqual(it.connection.state, "online");
});

test("the time of day can be set: nobody is taken for silent by that, and silence is found all the same", () => {
  for (const ahead of [3_600_000, -3_600_000]) {
    const it = stage();
    it.join();
    it.clock.ahead = ahead;
    it.clock.advance(29_000);
    assert.equal(it.connection.state, "online");
    it.clock.advance(6_000);
    assert.deepEqual(it.socket.types(), ["PingMes"]);
    it.clock.advance(45_000);
    assert.notEqual(it.connection.state, "online");
  }
});

test("a page asks when it wakes, also where only the time of day tells that it slept", () => {
  const it = stage();
  it.join();
  it.connection.wake();
  assert.deepEqual(it.socket.types(), []);
  it.clock.ahead = 600_000;
  it.connection.wake();
  assert.deepEqual(it.socket.types(), ["PingMes"]);
});

test("any answer says that the server lives", () => {
  const it = stage();
  it.join();
  for (let i = 0; i < 10; i += 1) {
    it.clock.advance(30_000);
    it.socket.hear("PongMes", {});
  }
  assert.equal(it.connection.state, "online");
  assert.deepEqual(it.messages.map(([type]) => type), ["LoginResMes"]);
});

test("a page that wakes after a silence finds out within seconds", () => {
  const it = stage();
  it.join();
  it.clock.advance(10_000);
  it.connection.wake();
  assert.deepEqual(it.socket.types(), ["PingMes"]);
  it.clock.advance(4_000);
  assert.notEqual(it.connection.state, "online");
});

test("a network that changed is asked through at once, however lately the server was heard", () => {
  for (const [how, deadline] of [[(it) => it.connection.wake({ changed: true }), 4_000], [(it) => it.connection.cut(), 2_000]]) {
    const it = stage();
    it.join();
    how(it);
    assert.deepEqual(it.socket.types(), ["PingMes"]);
    assert.ok(it.connection.probing);
    assert.equal(it.connection.state, "online");
    it.clock.advance(deadline - 1);
    assert.equal(it.connection.state, "online");
    it.clock.advance(1);
    assert.equal(it.connection.state, "offline");
  }
});

test("any answer ends the doubt, and both are told", () => {
  const it = stage();
  it.join();
  it.states.length = 0;
  it.connection.cut();
  it.socket.hear("PongMes", {});
  assert.equal(it.connection.probing, false);
  assert.deepEqual(it.states, ["online", "online"]);
  it.clock.advance(10_000);
  assert.equal(it.connection.state, "online");
});

test("what is sent and not answered within seconds is a reason to ask", () => {
  const it = stage();
  it.join();
  it.clock.advance(10_000);
  it.connection.send("SmsMes", {});
  it.clock.advance(4_000);
  assert.deepEqual(it.socket.types(), ["SmsMes", "PingMes"]);
  it.clock.advance(4_000);
  assert.equal(it.connection.state, "offline");
});

test("so is what is sent behind something that was answered", () => {
  const it = stage();
  it.join();
  it.clock.advance(10_000);
  it.connection.send("SmsMes", {});
  it.clock.advance(100);
  it.socket.hear("AckMes", {});
  it.clock.advance(1_000);
  it.connection.send("SmsMes", {});
  it.clock.advance(4_000);
  assert.deepEqual(it.socket.types(), ["SmsMes", "SmsMes", "PingMes"]);
});

test("what is answered is not asked about", () => {
  const it = stage();
  it.join();
  it.connection.send("SmsMes", {});
  it.clock.advance(1_000);
  it.socket.hear("AckMes", {});
  it.clock.advance(4_000);
  assert.deepEqual(it.socket.types(), ["SmsMes"]);
});

test("a connection that is being made while the network changes is made anew", () => {
  const it = stage();
  it.connection.wake();
  assert.equal(it.sockets.length, 1);
  it.connection.wake({ changed: true });
  assert.equal(it.sockets.length, 2);
  assert.ok(it.sockets[0].closed);
  it.clock.advance(5_000);
  it.connection.wake();
  assert.equal(it.sockets.length, 3);
});

test("a cookie that is no longer valid ends it for good", () => {
  const it = stage();
  it.socket.open();
  it.socket.hear("LoginResMes", { code: 403 });
  assert.deepEqual(it.refused, [403]);
  assert.equal(it.connection.state, "stopped");
  it.clock.advance(60_000);
  assert.equal(it.sockets.length, 1);
});

test("a session that is ended for good is not come back to", () => {
  for (const code of [403, 409, 500]) {
    const it = stage();
    it.join();
    it.socket.hear("ErrorMes", { code, reconnect: false });
    assert.deepEqual(it.refused, [code]);
    it.clock.advance(60_000);
    assert.equal(it.sockets.length, 1);
  }
});

test("too fast or a store that is away: it tries again, not before it may", () => {
  const it = stage();
  it.socket.open();
  it.socket.hear("LoginResMes", { code: 429, retryAfter: 60 });
  assert.equal(it.connection.retryIn, 60_000);
  it.clock.advance(60_000);
  it.socket.open();
  it.socket.hear("LoginResMes", { code: 505 });
  assert.equal(it.connection.state, "offline");
  assert.deepEqual(it.refused, []);
});

test("a server that closes the session is come back to", () => {
  const it = stage();
  it.join();
  it.socket.hear("ErrorMes", { code: 409, error: "", reconnect: true });
  assert.equal(it.connection.state, "offline");
  it.clock.advance(300);
  assert.equal(it.sockets.length, 2);
});

test("a login that nobody answers is given up", () => {
  const it = stage();
  it.socket.open();
  it.clock.advance(15_000);
  assert.equal(it.connection.state, "offline");
});
