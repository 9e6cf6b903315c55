import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "../../../../chatroom/transports/web/static/js/session/client.js";
import { Drafts } from "../../../../chatroom/transports/web/static/js/browser/drafts.js";
import { FakeClock, FakeSocket, FakeStore, settled } from "./doubles.mjs";

const ME = 1;
const ANA = 7;

function stage({ lobbyRead = "100-0" } = {}) {
  const it = { clock: new FakeClock(), kept: new Map(), names: new Map() };
  it.memory = {
    lobbyRead,
    names: [],
    keepName: (peer, name) => it.names.set(peer, name),
    drafts: new Drafts(new FakeStore(it.kept), ME),
    saveQueue: () => true,
  };
  it.client = new Client({
    user: { userId: ME, userName: "Me" },
    connect: () => (it.socket = new FakeSocket()),
    clock: it.clock,
    chance: () => 1,
    memory: it.memory,
  });
  it.client.start();
  it.login = async (fields = {}) => {
    it.socket.open();
    it.hello = it.socket.sent[0].data;
    it.socket.hear("LoginResMes", {
      code: 200, error: "", userName: "Me", token: "", online: 1, unread: 0, inbox: "50-0", read: [],
      users: [{ userId: ME, userName: "Me", userStatus: 0 }], rooms: { lobby: "100-0" }, ...fields,
    });
    await it.answerHistory();
  };
  it.answerHistory = async (pages = {}) => {
    for (let i = 0; i < 20; i += 1) {
      await settled();
      const asked = it.socket.sent.filter(({ type }) => type === "HistoryMes").at(-1);
      if (!asked || asked === it.answered) break;
      it.answered = asked;
      const { room, with: peer } = asked.data;
      it.socket.hear("HistoryResMes", { more: false, limit: 50, messages: pages[room ?? peer] ?? [], ...asked.data });
    }
  };
  it.sent = (type) => it.socket.sent.filter((message) => message.type === type).map(({ data }) => data);
  it.lobby = () => it.client.conversation("lobby").messages.map(({ content }) => content);
  return it;
}

const said = (n, fields = {}) => ({ userId: ANA, userName: "Ana", content: `${n}`, id: `i${n}`, seq: `${n}-0`, sentAt: n, ...fields });

test("coming back, it resumes from all that it got, acknowledgements included", async () => {
  const it = stage();
  await it.login();
  assert.equal(it.hello.resume, undefined);
  it.socket.hear("SmsMes", said(101));
  it.client.say("lobby", "mine");
  const [{ id }] = it.sent("SmsMes");
  it.socket.hear("AckMes", { id, code: 200, seq: "102-0", error: "" });
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.socket.break();
  it.client.connection.retry();
  it.socket.open();
  assert.deepEqual(it.socket.sent[0].data.resume, { rooms: { lobby: "102-0" }, inbox: "60-0" });
});

test("one's own message stands at the place that the acknowledgement names, once", async () => {
  const it = stage();
  await it.login();
  it.client.say("lobby", "mine");
  const [{ id }] = it.sent("SmsMes");
  assert.equal(it.client.outbox.of("lobby").length, 1);
  it.socket.hear("SmsMes", said(101));
  it.socket.hear("AckMes", { id, code: 200, seq: "102-0", error: "" });
  it.socket.hear("AckMes", { id, code: 200, seq: "102-0", error: "" });
  it.socket.hear("SmsMes", said(103));
  assert.deepEqual(it.lobby(), ["101", "mine", "103"]);
  assert.equal(it.client.outbox.of("lobby").length, 0);
});

test("a message whose acknowledgement was lost is known when it comes back by resuming", async () => {
  const it = stage();
  await it.login();
  it.client.say("lobby", "mine");
  const [{ id }] = it.sent("SmsMes");
  it.socket.break();
  it.client.connection.retry();
  await it.login({ rooms: { lobby: "101-0" } });
  it.socket.hear("SmsMes", { ...said(101), userId: ME, userName: "Me", content: "mine", id });
  assert.deepEqual(it.lobby(), ["mine"]);
  assert.equal(it.client.outbox.entries.length, 0);
  it.socket.hear("AckMes", { id, code: 200, seq: "101-0", error: "" });
  assert.deepEqual(it.lobby(), ["mine"]);
});

test("a message has the time that the server gives it, one's own as well, wherever its place is", async () => {
  const it = stage();
  await it.login();
  const seq = "4102444800000-0";
  it.socket.hear("SmsMes", said(101, { seq, sentAt: 7000 }));
  it.client.say("lobby", "mine");
  const [{ id }] = it.sent("SmsMes");
  it.socket.hear("AckMes", { id, code: 200, seq: "4102444800000-1", sentAt: 8000, error: "" });
  const { messages } = it.client.conversation("lobby");
  assert.deepEqual(messages.slice(-2).map(({ sentAt }) => sentAt), [7000, 8000]);
});

test("one's own messages from other devices appear and are never unread", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("PrivateMes", { ...said(60), userId: ME, toUserId: ANA, content: "from my phone" });
  const conversation = it.client.conversation(`u${ANA}`);
  assert.deepEqual(conversation.messages.map(({ content, own }) => [content, own]), [["from my phone", true]]);
  assert.equal(it.client.unread, 0);
});

test("a new conversation gets a read mark before its messages are confirmed, so that it is found again", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.socket.hear("PrivateMes", said(61, { toUserId: ME }));
  it.clock.advance(1_000);
  assert.deepEqual(it.sent("ReadMes"), [{ with: ANA, seq: "59-9999999999999999999" }]);
  assert.deepEqual(it.sent("ReceivedMes"), [{ inbox: "61-0" }]);
  const types = it.socket.types();
  assert.ok(types.indexOf("ReadMes") < types.indexOf("ReceivedMes"));
  assert.equal(it.client.unread, 2);
});

test("a page that goes confirms what came at once, and once", async () => {
  const it = stage();
  await it.login();
  it.client.leaving();
  assert.deepEqual(it.sent("ReceivedMes"), []);
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.socket.hear("PrivateMes", said(61, { toUserId: ME }));
  it.client.leaving();
  assert.deepEqual(it.sent("ReceivedMes"), [{ inbox: "61-0" }]);
  it.client.leaving();
  it.clock.advance(1_000);
  assert.equal(it.sent("ReceivedMes").length, 1);
});

test("what another session has shown is read here as well", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.socket.hear("ReadMes", { with: ANA, seq: "60-0" });
  assert.equal(it.client.unread, 0);
});

test("what was read without a connection is told once there is one", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.socket.break();
  it.client.seen(`u${ANA}`);
  it.client.connection.retry();
  await it.login({ read: [{ with: ANA, seq: "59-0" }] });
  assert.deepEqual(it.sent("ReadMes"), [{ with: ANA, seq: "60-0" }]);
});

test("after a reload the read marks bring the conversations back with what is unread", async () => {
  const it = stage();
  it.socket.open();
  it.socket.hear("LoginResMes", {
    code: 200, error: "", userName: "Me", online: 1, unread: 0, inbox: "70-0", rooms: { lobby: "100-0" },
    users: [{ userId: ME, userName: "Me", userStatus: 0 }], read: [{ with: ANA, seq: "60-0" }],
  });
  await it.answerHistory({ [ANA]: [said(59), said(60), said(61), said(62)] });
  assert.deepEqual(it.client.listed().map(({ key, unread }) => [key, unread]), [["lobby", 0], [`u${ANA}`, 2]]);
  assert.equal(it.client.people.nameOf(ANA), "Ana");
});

test("a gap is marked where the server says, and it goes on from there", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("SmsMes", said(101));
  it.socket.hear("ErrorMes", { code: 410, error: "", rooms: { lobby: "200-0" } });
  it.socket.hear("SmsMes", said(200));
  assert.deepEqual([...it.client.conversation("lobby").gaps], ["200-0"]);
  it.socket.break();
  it.client.connection.retry();
  it.socket.open();
  assert.equal(it.socket.sent[0].data.resume.rooms.lobby, "200-0");
});

test("too fast, said of nothing in particular, holds back what is sent", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("ErrorMes", { code: 429, error: "", retryAfter: 5 });
  it.client.say("lobby", "mine");
  assert.equal(it.sent("SmsMes").length, 0);
  it.clock.advance(5_000);
  assert.equal(it.sent("SmsMes").length, 1);
});

test("catching up ends when as much has come as the login said", async () => {
  const it = stage();
  await it.login({ unread: 1 });
  assert.equal(it.client.catchingUp, true);
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  assert.equal(it.client.catchingUp, false);
});

test("catching up does not wait for ever", async () => {
  const it = stage();
  await it.login({ unread: 5 });
  it.clock.advance(1_500);
  assert.equal(it.client.catchingUp, false);
});

test("the status is what the server says in the end", async () => {
  const it = stage();
  await it.login();
  const changed = it.client.people.setStatus(2);
  assert.equal(it.client.me.userStatus, 2);
  await settled();
  assert.deepEqual(it.sent("StatusMes"), [{ status: 2 }]);
  it.socket.hear("ErrorMes", { code: 400, error: "" });
  assert.equal(await changed, false);
  assert.equal(it.client.me.userStatus, 0);
});

test("a status of which no answer came is told to the other tabs once it is known", async () => {
  const it = stage();
  await it.login();
  let told = 0;
  it.client.on("status", () => (told += 1));
  const changed = it.client.people.setStatus(2);
  await settled();
  it.socket.break();
  assert.equal(await changed, false);
  assert.equal(told, 0);
  it.client.connection.retry();
  await it.login({ users: [{ userId: ME, userName: "Me", userStatus: 2 }] });
  assert.equal(it.client.me.userStatus, 2);
  it.socket.hear("UsersResMes", { users: [{ userId: ME, userName: "Me", userStatus: 2 }], online: 1, next: null });
  await settled();
  assert.equal(told, 1);
});

test("a status that another tab set is asked for after a login that was under way", async () => {
  const it = stage();
  await assert.rejects(it.client.people.lookUp(ME));
  await it.login();
  it.socket.hear("UsersResMes", { users: [{ userId: ME, userName: "Me", userStatus: 2 }], online: 1, next: null });
  await settled();
  assert.equal(it.client.me.userStatus, 2);
});

test("an operator's announcement is told, and is no message", async () => {
  const it = stage();
  await it.login();
  const announced = [];
  it.client.on("announced", (text) => announced.push(text));
  it.socket.hear("SmsMes", { userId: 0, userName: "system", content: "down at noon", room: "lobby", sentAt: 1 });
  assert.deepEqual(announced, ["down at noon"]);
  assert.deepEqual(it.lobby(), []);
  it.socket.hear("SmsMes", said(101));
  assert.deepEqual(it.lobby(), ["101"]);
});

test("why an operator took a message from nobody stays with it", async () => {
  const it = stage();
  await it.login();
  it.client.say("lobby", "can you hear me?");
  const [{ id }] = it.sent("SmsMes");
  it.socket.hear("AckMes", { id, code: 403, until: 0, reason: "muted", note: "spam", error: "you are muted: spam" });
  const [{ state, words }] = it.client.outbox.entries;
  assert.deepEqual([state, words], ["failed", { reason: "muted", until: 0, note: "spam" }]);
});

test("who comes into an empty lobby has what is said then unread", async () => {
  const it = stage({ lobbyRead: null });
  await it.login();
  it.socket.hear("SmsMes", said(101));
  assert.equal(it.client.unread, 1);
});

test("what came is confirmed when the page goes, and not only after a while", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  it.client.leaving();
  assert.deepEqual(it.sent("ReceivedMes"), [{ inbox: "60-0" }]);
  it.clock.advance(1_000);
  assert.equal(it.sent("ReceivedMes").length, 1);
  it.socket.hear("PrivateMes", said(61, { toUserId: ME }));
  it.client.stop();
  assert.deepEqual(it.sent("ReceivedMes").at(-1), { inbox: "61-0" });
});

test("a conversation that is no more than a draft is listed, here and when it was written in another tab", async () => {
  const it = stage();
  await it.login();
  it.client.drafts.keep("u9", "begun");
  assert.deepEqual(it.client.listed().map(({ key }) => key), ["lobby", "u9"]);
  it.client.drafts.keep("u9", "");
  assert.deepEqual(it.client.listed().map(({ key }) => key), ["lobby"]);
});

test("the names of those with whom one talks are kept one by one", async () => {
  const it = stage();
  await it.login();
  it.socket.hear("SmsMes", said(101));
  assert.deepEqual([...it.names], []);
  it.socket.hear("PrivateMes", said(60, { toUserId: ME }));
  assert.deepEqual([...it.names], [[ANA, "Ana"]]);
});
