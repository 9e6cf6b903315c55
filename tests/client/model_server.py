"""A small server that keeps the protocol's promises, and breaks whatever it may break.

It stores what it acknowledges, in one order, and delivers each conversation in that order, the
acknowledgements in their places. What the test makes it do besides: refuse for now, hang up at
any point, lag behind, and say things twice.
"""

from __future__ import annotations

from typing import Any, Literal

from chatroom.protocol import codec, messages as wire
from tests.wire import MessageReceiver

#: What becomes of the next message: taken; refused with 505 before or after it was stored; refused
#: with 429; or the connection is cut before or after it was stored.
Fate = Literal["ok", "505", "505 stored", "429", "cut", "cut stored"]

ANN, BOB = 100, 101


class World:
    """What outlives every connection: one room, and one person's mailbox."""

    def __init__(self) -> None:
        self.logs: dict[str | None, list[wire.Text]] = {"lobby": [], None: []}
        self.ids: dict[str, wire.Text] = {}
        self.received = wire.SEQ_ZERO
        self.token = 0
        self.fates: list[Fate] = []
        self.sessions: list[ModelServer] = []

    def store(self, room: str | None, text: wire.Text) -> wire.Text:
        """Give a message its place, once for each id, and tell those who are there."""
        if isinstance(text.id, str) and text.id in self.ids:
            return self.ids[text.id]
        log = self.logs[room]
        text.seq = f"{1 + len(log) // 3}-{len(log) % 3}"
        log.append(text)
        if isinstance(text.id, str):
            self.ids[text.id] = text
        return text

    def after(self, room: str | None, seq: wire.Seq) -> list[wire.Text]:
        return [text for text in self.logs[room] if place(text) > seq]

    def newest(self, room: str | None) -> wire.Seq:
        return place(self.logs[room][-1]) if self.logs[room] else wire.SEQ_ZERO


class ModelServer(MessageReceiver):
    """One session of Ann's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.logged_in = False
        self.lost = False
        #: While it lags, everything waits here, in order.
        self.waiting: list[wire.Message] | None = None

    def connectionMade(self) -> None:
        self.world.sessions.append(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True

    def say(self, message: wire.Message) -> None:
        if self.waiting is not None:
            self.waiting.append(message)
        elif not self.lost:
            self.send(message)

    def lag(self) -> None:
        if self.waiting is None:
            self.waiting = []

    def catch_up(self) -> None:
        waiting, self.waiting = self.waiting or [], None
        for message in waiting:
            self.say(message)

    def stringReceived(self, payload: bytes) -> None:
        message = codec.decode(payload)
        if self.lost:
            return
        if isinstance(message, wire.LoginMes):
            self._log_in(message)
        elif isinstance(message, wire.SmsMes):
            self._take("lobby", message)
        elif isinstance(message, wire.PrivateMes):
            self._take(None, message)
        elif isinstance(message, wire.ReceivedMes):
            self.world.received = max(self.world.received, wire.Seq.parse(message.inbox))
        elif isinstance(message, wire.PingMes):
            self.say(wire.PongMes())

    def _log_in(self, login: wire.LoginMes) -> None:
        world = self.world
        if isinstance(login.token, str) and login.token != f"token-{world.token}":
            self.say(wire.LoginResMes(403))
            return
        world.token += 1
        room, inbox = world.newest("lobby"), world.received
        late = [text for text in world.after(None, inbox) if text.user_id != ANN]
        resume = login.resume
        if isinstance(resume, wire.Resume):
            room, inbox = wire.Seq.parse(resume.rooms["lobby"]), wire.Seq.parse(str(resume.inbox))
            late = world.after(None, inbox)
        self.say(
            wire.LoginResMes(
                200,
                token=f"token-{world.token}",
                users=[],
                online=0,
                unread=len(late),
                rooms={"lobby": str(world.newest("lobby"))},
                inbox=str(world.received),
            )
        )
        for text in world.after("lobby", room) + late:
            self.say(text)
        self.logged_in = True

    def _take(self, room: str | None, text: wire.Text) -> None:
        fate = self.world.fates.pop(0) if self.world.fates else "ok"
        assert isinstance(text.id, str)
        known = text.id in self.world.ids
        text.user_id = ANN
        if fate == "429":
            self.say(wire.ErrorMes(429, "", id=text.id, retry_after=1))
        elif fate in ("505", "cut"):
            self._fail(fate, text.id)
        else:
            stored = self.world.store(room, text)
            if not known:
                tell_others(self.world, stored, but=self)
            if fate == "ok":
                assert isinstance(stored.seq, str)
                self.say(wire.AckMes(text.id, 200, stored.seq))
            else:
                self._fail(fate, text.id)

    def _fail(self, fate: Fate, message_id: str) -> None:
        if fate.startswith("505"):
            self.say(wire.AckMes(message_id, 505))
            return
        transport: Any = self.transport
        self.lost = True
        transport.abortConnection()


def tell_others(world: World, text: wire.Text, but: ModelServer | None = None) -> None:
    """Everybody who is logged in gets it, but the session that sent it."""
    for session in world.sessions:
        if session is not but and session.logged_in and not session.lost:
            session.say(text)


def place(text: wire.Text) -> wire.Seq:
    return wire.Seq.parse(str(text.seq))
