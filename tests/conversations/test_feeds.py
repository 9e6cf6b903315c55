"""Each reader gets a conversation's own sequence: no gap, no double, whatever happens between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from msgspec import UNSET
from twisted.internet.defer import Deferred

from chatroom.conversations.feed import PAGE
from chatroom.conversations.room import RoomFeed
from chatroom.node.node import Node
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import LOBBY, SEQ_ZERO, Seq
from chatroom.store.events import BusListener
from chatroom.store.records import StoreUnavailable
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.world import Client, World, kinds, private, sms

T = TypeVar("T")


# ---------------------------------------------------------------- any order of things


class LanedStore(MemoryStore):
    """A store whose steps, answers, looks at the bus and news each wait to be let on.

    What is asked is done in order, and answered in order; news come in order: as over two
    connections. Nothing else is in any order.
    """

    def __init__(self, *args: Any, **limits: Any) -> None:
        super().__init__(*args, **limits)
        self.asked: deque[Callable[[], None]] = deque()
        self.answers: deque[Callable[[], None]] = deque()
        self.news: deque[Callable[[], None]] = deque()
        self.starting = True
        #: Whether a look at the bus would bring something.
        self.has_news = False

    def _ask(self, step: Callable[[], T]) -> Deferred[T]:
        deferred: Deferred[T] = Deferred()

        def execute() -> None:
            result: Any = None
            if self.trouble is not Trouble.REFUSES:
                result = step()
            if self.trouble is Trouble.NONE:
                self.answers.append(lambda: deferred.callback(result))
            else:
                self.answers.append(lambda: deferred.errback(StoreUnavailable("in trouble")))

        self.asked.append(execute)
        return deferred

    async def start(self, listener: BusListener, rooms: Sequence[str]) -> dict[str, Seq]:
        return await super().start(_Later(self, listener), rooms)

    def _schedule(self) -> None:
        self.has_news = True

    def _look(self) -> None:
        self.has_news = False
        super()._look()

    def step(self) -> bool:
        """Do, answer and tell all there is; False: there is nothing."""
        busy = False
        while self.asked or self.answers or self.news:
            busy = True
            for lane in (self.asked, self.answers, self.news):
                while lane:
                    lane.popleft()()
        self._look()
        return busy or bool(self.news)


class _Later:
    """Keeps what the bus brings until it is let on."""

    def __init__(self, store: LanedStore, listener: BusListener) -> None:
        self._store = store
        self._listener = listener

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._listener, name)

        def tell(*news: object) -> None:
            if self._store.starting:
                method(*news)
            else:
                self._store.news.append(lambda: method(*news))

        return tell


class LanedWorld(World):
    def make_store(self, name: str) -> MemoryStore:
        return LanedStore(self.backend, node=name)

    def laned(self, name: str) -> LanedStore:
        store = self.store(name)
        assert isinstance(store, LanedStore)
        return store

    def node(self, name: str = "one") -> Node:
        known = name in self.nodes
        node = super().node(name)
        if not known:
            self.laned(name).starting = False
        return node

    def settle(self) -> None:
        busy = True
        while busy:
            self.clock.advance(0)
            busy = sum(self.laned(name).step() for name in self.stores) > 0


class Reader:
    """A dialect 2 client that loses its connection and resumes, and what its user was shown."""

    def __init__(self, world: World, user_id: int) -> None:
        self.user_id = user_id
        self.client: Client | None = None
        #: The sequences, by conversation ("r" for the room, "p" for the mailbox).
        self.shown: dict[str, list[Seq]] = {"r": [], "p": []}
        self._world = world

    @property
    def member(self) -> Client | None:
        """The client, where it is logged in."""
        client = self.client
        return client if client is not None and client.session.is_member else None

    def connect(self, node: str) -> None:
        self.client = self._world.connect(node, send_queue=3000)
        self.log_in()

    def log_in(self) -> None:
        assert self.client is not None
        places = {name: str(max(seqs, default=SEQ_ZERO)) for name, seqs in self.shown.items()}
        resume = wire.Resume(rooms={LOBBY: places["r"]}, inbox=places["p"])
        self.client.says(self._world.login(self.user_id, resume=resume))

    def look(self) -> None:
        """Show what came."""
        for message in self.client.take() if self.client else ():
            if isinstance(message, wire.LoginResMes) and message.code != wire.Code.OK:
                self.log_in()
            elif isinstance(message, wire.AckMes) and message.seq is not UNSET:
                # One for a message that was sent again may come when that was shown already.
                self._show(message.id[0], Seq.parse(message.seq), again=True)
            elif isinstance(message, wire.SmsMes):
                self._show("r", Seq.parse(str(message.seq)))
            elif isinstance(message, wire.PrivateMes):
                self._show("p", Seq.parse(str(message.seq)))
            else:
                assert not isinstance(message, wire.ErrorMes) or message.code in (409, 505)
        if self.client is not None and self.client.gone:
            self.client = None

    def _show(self, conversation: str, seq: Seq, *, again: bool = False) -> None:
        shown = self.shown[conversation]
        if not (again and seq in shown):
            assert not shown or seq > shown[-1], "shown twice, or out of order"
            shown.append(seq)


def _let_on(lane: deque[Callable[[], None]]) -> None:
    lane.popleft()()


NODES = ("one", "two")
USERS = (1, 2)


class Interleaving:
    """Everything that can happen, in an order that a seed gives."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = LanedWorld()
        for user_id in USERS:
            self.world.account(user_id)
        self.readers = [Reader(self.world, user_id) for user_id in (*USERS, *USERS)]
        for reader, node in zip(self.readers, (*NODES, *NODES), strict=True):
            reader.connect(node)
        self.world.settle()
        self.sent: list[tuple[int, str, int]] = []
        #: Lanes in which nothing comes on for a while.
        self.slow: set[tuple[str, str]] = set()
        self.rules = {
            self.something: 300,
            self.say: 20,
            self.say_again: 6,
            self.cut: 4,
            self.connect: 10,
            self.stick: 3,
            self.drain: 6,
            self.confirm: 2,
            self.time_goes_on: 3,
            self.slow_down: 3,
            self.speed_up: 3,
            self.trouble: 0.3,
            self.recover: 3,
            self.lapse: 1,
        }

    def run(self, steps: int) -> None:
        for _ in range(steps):
            [step] = self.random.choices(list(self.rules), list(self.rules.values()))
            step()
            for reader in self.readers:
                reader.look()

    # ---- what people do

    def say(self) -> None:
        reader, to = self.random.choice(self.readers), self.random.randint(0, len(USERS))
        for _ in range(self.random.choice([1, 1, 1, 2, 10])):
            name = f"{'p' if to else 'r'}{len(self.sent)}"
            self.sent.append((reader.user_id, name, to))
            self._send(reader, name, to)

    def say_again(self) -> None:
        reader = self.random.choice(self.readers)
        own = [sent for sent in self.sent[-30:] if sent[0] == reader.user_id]
        if own:
            self._send(reader, *self.random.choice(own)[1:])

    def _send(self, reader: Reader, name: str, to: int) -> None:
        if reader.member is not None:
            text = private(to, f"text {name}", name) if to else sms(f"text {name}", name)
            reader.member.says(text)

    def cut(self) -> None:
        client = self.random.choice(self.readers).client
        if client is not None:
            client.cut()

    def connect(self) -> None:
        reader = self.random.choice(self.readers)
        if reader.client is None:
            reader.connect(self.random.choice(NODES))

    def stick(self) -> None:
        client = self.random.choice(self.readers).client
        if client is not None:
            client.outbox.stuck = True

    def drain(self) -> None:
        client = self.random.choice(self.readers).client
        if client is not None and client.outbox.queued:
            client.outbox.drain()

    def confirm(self) -> None:
        reader = self.random.choice(self.readers)
        if reader.member is not None and reader.shown["p"]:
            reader.member.says(wire.ReceivedMes(inbox=str(reader.shown["p"][-1])))

    # ---- what the machines do

    def something(self) -> None:
        """One of the things that could happen next."""
        due: list[Callable[[], object]] = [self.world.clock.turn] if self.world.clock.due else []
        for name in NODES:
            store = self.world.laned(name)
            lanes = {"asked": store.asked, "answers": store.answers, "news": store.news}
            due += [
                partial(_let_on, lane)
                for what, lane in lanes.items()
                if lane and (name, what) not in self.slow
            ]
            if store.has_news:
                due.append(store._look)
        if due:
            self.random.choice(due)()

    def time_goes_on(self) -> None:
        self.world.clock.advance(0.3)

    def slow_down(self) -> None:
        lane = self.random.choice(["asked", "answers", "news"])
        self.slow.add((self.random.choice(NODES), lane))

    def speed_up(self) -> None:
        self.slow.clear()

    def trouble(self) -> None:
        store = self.world.laned(self.random.choice(NODES))
        store.trouble = self.random.choice([Trouble.REFUSES, Trouble.FORGETS])

    def recover(self) -> None:
        self.world.laned(self.random.choice(NODES)).trouble = Trouble.NONE

    def lapse(self) -> None:
        name = self.random.choice(NODES)
        self.world.backend.nodes.pop(name, None)
        self.world.backend.clear(name)
        self.world.laned(name)._beat()

    def end(self) -> None:
        """Let all causes go, and everything come to rest."""
        for store in self.world.stores.values():
            store.trouble = Trouble.NONE
        for _ in range(60):
            for reader in self.readers:
                if reader.client is not None and reader.client.outbox.queued:
                    reader.client.outbox.drain()
                reader.look()
                if reader.client is None:
                    reader.connect(NODES[0])
            self.world.wait(0.5, step=0.5)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages fill pages, slices, and what the room remembers."""
    monkeypatch.setattr("chatroom.conversations.room.PAGE", 3)
    monkeypatch.setattr("chatroom.conversations.inbox_feed.PAGE", 3)
    monkeypatch.setattr("chatroom.conversations.feed.SLICE", 2000)
    monkeypatch.setattr("chatroom.conversations.room.SLICE", 2000)
    monkeypatch.setattr("chatroom.conversations.room.RECENT", 5)


@pytest.mark.no_cover  # it goes where the others have been, and takes thrice as long with it
@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=40,
    deadline=None,
    # A seed has no smaller one.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_reader_is_shown_exactly_what_the_store_holds_in_its_order(
    small: None, seed: int
) -> None:
    everything = Interleaving(seed)
    everything.run(3000)
    everything.end()
    for reader in everything.readers:
        reader.look()
        assert reader.shown["r"] == everything.world.room()
        assert reader.shown["p"] == everything.world.mailbox(reader.user_id)


# ---------------------------------------------------------------- one thing at a time


def say(world: World, user_id: int, *texts: str) -> None:
    """Somebody who is not looked at says something to the lobby."""
    client = world.member(user_id)
    client.says(*map(sms, texts))
    world.settle()
    client.cut()
    world.settle()


def test_who_does_not_resume_gets_of_the_room_only_what_is_new(world: World) -> None:
    say(world, 1, "before")
    reader = world.enter(2)
    assert reader.texts() == []
    say(world, 1, "after")
    assert reader.texts() == ["after"]


def test_who_resumes_gets_what_it_missed_before_anything_new_its_own_included(
    world: World,
) -> None:
    first = world.member(2)
    first.says(sms("mine", "id"))
    world.settle()
    place = Seq.parse(str(first.take_one(wire.AckMes).seq))
    first.says(sms("mine too", "id2"))
    first.cut()
    world.settle()
    say(world, 1, "missed")
    back = world.resume(2, lobby=place)
    say(world, 1, "new")
    assert kinds(back.got)[0] == "LoginResMes"
    assert back.texts() == ["mine too", "missed", "new"]


@pytest.mark.parametrize("many", [3, 127, 130, PAGE + 1, 3 * PAGE])
def test_a_long_absence_is_caught_up_with_in_order(world: World, many: int) -> None:
    texts = [f"text {n}" for n in range(many)]
    say(world, 1, *texts)
    back = world.resume(2, lobby=Seq(0, 0))
    assert back.texts() == texts


def test_a_long_absence_overflows_no_queue_however_slowly_the_client_reads(world: World) -> None:
    texts = [f"{n} " + "x" * 3000 for n in range(200)]
    say(world, 1, *texts)
    back = world.connect(send_queue=300_000)
    back.outbox.stuck = True
    back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "0-0"})))
    for _ in range(50):
        world.settle()
        back.outbox.drain()
        back.outbox.stuck = True
    assert back.texts() == texts
    assert not back.gone


def test_a_position_newer_than_the_store_is_told_to_be_gone_and_what_is_new_comes(
    world: World,
) -> None:
    say(world, 1, "kept")
    world.account(2)
    newest = world.room()[-1]
    back = world.resume(2, lobby=Seq(newest.ms + 10**9, 0), inbox=Seq(10**15, 0))
    answer, gone = back.take()
    assert isinstance(answer, wire.LoginResMes)
    assert answer.code == 200
    assert isinstance(gone, wire.ErrorMes)
    assert gone.code == 410
    assert gone.rooms == {LOBBY: str(Seq(newest.ms, newest.n + 1))}
    assert gone.inbox == "0-1"
    other = world.member(1)
    other.says(sms("new"), private(2, "to you"))
    world.settle()
    assert sorted(back.texts()) == ["new", "to you"]


def test_what_was_trimmed_is_told_to_be_gone_and_everything_from_there_on_comes() -> None:
    world = World(room_history=10, mailbox_unread=10**6, mailbox_history=0)
    texts = [f"{n}" for n in range(250)]
    sender = world.member(1)
    receiver = world.member(2)
    for text in texts:
        sender.says(sms(text), private(2, f"p{text}"))
        world.settle()
    receiver.says(wire.ReceivedMes(inbox=str(world.mailbox(2)[-1])))
    sender.says(private(2, "last"))
    world.settle()
    receiver.cut()
    back = world.resume(2, lobby=Seq(1, 0), inbox=Seq(1, 0))
    answer, gone, *_ = back.got
    assert isinstance(answer, wire.LoginResMes)
    assert isinstance(gone, wire.ErrorMes)
    assert (gone.code, gone.rooms, gone.inbox) == (
        410,
        {LOBBY: str(world.room()[0])},
        str(world.mailbox(2)[0]),
    )
    shown = [
        Seq.parse(str(message.seq))
        for message in back.take()
        if isinstance(message, wire.SmsMes | wire.PrivateMes)
    ]
    assert sorted(shown) == sorted(world.room() + world.mailbox(2))


def test_who_is_overtaken_by_the_trimming_is_sent_to_come_back_and_be_told_of_the_gap() -> None:
    world = World(room_history=250)
    sender = world.member(1)
    sender.says(*(sms(f"{n}") for n in range(250)))
    world.settle()
    back = world.connect()
    back.outbox.stuck = True
    back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "0-0"})))
    world.settle()
    sender.says(*(sms(f"{n}") for n in range(250, 500)))
    world.settle()
    back.outbox.drain()
    world.settle()
    closed = back.take_only(wire.ErrorMes)[-1]
    assert (closed.code, closed.reconnect) == (409, True)
    assert back.closed


def test_a_dialect_1_session_that_is_overtaken_by_the_trimming_goes_on() -> None:
    world = World(room_history=10, mailbox_history=0)
    client = world.member(1, dialect=1)
    client.session.fell_behind()
    assert not client.gone


def test_who_is_offline_gets_private_messages_at_the_next_login_after_its_answer(
    world: World,
) -> None:
    world.account(2)
    sender = world.member(1)
    sender.says(private(2, "first", "a"), private(2, "second", "b"))
    world.settle()
    assert sender.acks() == [("a", 202), ("b", 202)]
    receiver = world.enter(2)
    answer = receiver.got[0]
    assert isinstance(answer, wire.LoginResMes)
    assert answer.unread == 2
    assert receiver.texts() == ["first", "second"]


def test_what_was_not_confirmed_comes_again_and_what_was_does_not(world: World) -> None:
    world.account(2)
    sender = world.member(1)
    sender.says(private(2, "first"), private(2, "second"))
    world.settle()
    receiver = world.enter(2)
    first, _ = receiver.take_only(wire.PrivateMes)
    receiver.says(wire.ReceivedMes(inbox=str(first.seq)))
    world.settle()
    receiver.cut()
    assert world.enter(2).texts() == ["second"]


def test_without_resume_of_what_is_unread_only_that_of_others_comes(world: World) -> None:
    world.account(2)
    sender = world.member(1)
    away = world.member(2)
    away.says(private(1, "from me"))
    sender.says(private(2, "to me"))
    away.says(private(1, "from me again"))
    away.cut()
    world.settle()
    assert world.enter(2).texts() == ["to me"]


def test_with_resume_ones_own_private_messages_come_too(world: World) -> None:
    sender, away = world.member(1), world.member(2)
    sender.says(private(2, "to me"))
    away.says(private(1, "from me"))
    world.settle()
    assert world.resume(2, inbox=Seq(0, 0)).texts() == ["to me", "from me"]


def test_a_private_message_comes_to_all_sessions_of_both_and_to_the_sending_one_as_ack(
    world: World,
) -> None:
    sending, other = world.member(1), world.member(1, "two")
    phone, laptop = world.member(2), world.member(2, "two")
    world.forget(sending, other, phone, laptop)
    sending.says(private(2, "hello", "id"))
    world.settle()
    assert kinds(sending.got) == ["AckMes"]
    assert sending.acks() == [("id", 200)]
    for client in (other, phone, laptop):
        message = client.take_one(wire.PrivateMes)
        assert (message.content, message.user_id, message.to_user_id) == ("hello", 1, 2)


def test_the_ack_of_a_message_sent_again_waits_until_what_is_before_it_has_come(
    world: World,
) -> None:
    first = world.member(1)
    first.says(sms("mine", "id"))
    world.settle()
    first.cut()
    say(world, 2, *(f"{n}" for n in range(5)))
    back = world.connect()
    back.outbox.stuck = True
    back.says(world.login(1, resume=wire.Resume(rooms={LOBBY: "0-0"})))
    world.settle()
    back.says(sms("mine", "id"))
    world.settle()
    back.outbox.drain()
    world.settle()
    came = [message for message in back.take() if isinstance(message, wire.SmsMes | wire.AckMes)]
    assert sorted(kinds(came)) == ["AckMes"] + 6 * ["SmsMes"]
    ack = next(n for n, message in enumerate(came) if isinstance(message, wire.AckMes))
    assert isinstance(came[0], wire.SmsMes)
    assert came[0].content == "mine"
    assert ack > 0


def test_a_message_sent_again_has_the_same_place(world: World) -> None:
    client = world.member(1)
    world.account(2)
    client.says(sms("a", "room"), private(2, "b", "private"))
    world.settle()
    before = client.take_only(wire.AckMes)
    client.says(sms("a", "room"), private(2, "b", "private"))
    world.settle()
    again = client.take_only(wire.AckMes)
    assert {ack.id: ack for ack in again} == {ack.id: ack for ack in before}
    assert len(world.room()) == 1


def test_catching_up_goes_on_when_the_store_comes_back(world: World) -> None:
    say(world, 1, *(f"{n}" for n in range(200)))
    back = world.connect()
    back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "0-0"}, inbox="0-0")))
    while not back.session.is_member:
        world.clock.turn()
    world.store().fail(Trouble.REFUSES)
    world.wait(2)
    assert back.texts() == []
    world.store().recover()
    world.wait(2)
    assert back.texts() == [f"{n}" for n in range(200)]


def test_a_client_that_goes_while_it_catches_up_is_sent_nothing_more(world: World) -> None:
    say(world, 1, *(f"{n}" for n in range(200)))
    speaker = world.member(1)
    for turns in range(40):
        back = world.connect()
        back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "0-0"}, inbox="0-0")))
        for _ in range(turns):
            world.clock.turn()
        back.cut()
        world.settle()
        # What is sent on a lost connection fails the test.
        speaker.says(sms("anybody there?"))
        world.settle()


def test_a_slow_reader_that_is_cut_off_gets_nothing_behind_that(world: World) -> None:
    client = world.member(1, send_queue=2000)
    world.account(2)
    client.says(sms("known", "id"))
    world.settle()
    client.take()
    client.outbox.stuck = True
    say(world, 2, *("x" * 300 for _ in range(20)))
    assert client.session.closed
    client.outbox.drain()
    assert kinds(client.take()) == ["ErrorMes"]


def test_who_comes_from_a_node_that_had_read_further_gets_nothing_twice(world: World) -> None:
    speaker = world.member(1)
    world.node("two")
    two = world.store("two")
    speaker.says(sms("one"), sms("two"))
    world.settle()
    two.fail(Trouble.REFUSES)
    speaker.says(sms("three"))
    world.settle()
    two.trouble = Trouble.NONE
    ahead = world.resume(2, "two", lobby=world.room()[-1])
    speaker.says(sms("four"))
    two._schedule()
    world.settle()
    assert ahead.texts() == ["four"]
    speaker.says(sms("five"))
    ahead.says(sms("six", "id"))
    world.settle()
    assert ahead.texts() == ["five"]


def test_private_messages_that_a_lapsed_node_missed_come_when_it_is_back(world: World) -> None:
    receiver = world.member(2, "two")
    sender = world.member(1)
    world.store("two").fail(Trouble.REFUSES)
    world.wait(20)
    sender.says(private(2, "missed", "id"))
    world.settle()
    assert sender.acks() == [("id", 202)]
    world.store("two").recover()
    world.wait(10)
    assert receiver.texts() == ["missed"]


def test_who_does_not_take_what_the_room_remembers_is_not_in_the_room(world: World) -> None:
    say(world, 1, *("x" * 500 for _ in range(10)))
    back = world.connect(send_queue=2000)
    back.outbox.stuck = True
    back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "0-0"})))
    world.settle()
    assert back.session.closed
    # What is sent on a connection that is closing fails the test.
    say(world, 1, "anybody there?")
    back.outbox.drain()
    assert [error.code for error in back.take_only(wire.ErrorMes)] == [409]


def test_what_can_not_be_read_any_more_is_not_waited_for(world: World) -> None:
    client = world.member(1)
    client.says(*(sms(f"{n}", f"id{n}") for n in range(200)))
    world.settle()
    world.forget(client)
    lost = world.backend.room(LOBBY)
    lost.entries.clear()
    back = world.resume(2, lobby=Seq(1, 0))
    client.says(sms("new", "id"))
    world.settle()
    assert back.texts() == ["new"]
    assert client.acks() == [("id", 200)]


def test_what_a_client_did_not_take_is_not_acknowledged_to_it(world: World) -> None:
    first = world.member(1)
    first.says(sms("mine", "id"))
    first.cut()
    world.settle()
    say(world, 2, *("x" * 300 for _ in range(10)))
    back = world.member(1, send_queue=2000)
    back.outbox.stuck = True
    back.says(wire.PingMes())
    feed = RoomFeed(back.session, world.store(), world.clock, world.node().rooms[LOBBY], SEQ_ZERO)
    feed.acknowledge(world.room()[0], "id", 200, 1_800_000_000_000)
    # What is sent on a connection that is closing fails the test.
    feed.hand_over(world.backend.room(LOBBY).entries)
    assert back.session.closed
    back.outbox.drain()
    assert kinds(back.take()) == ["ErrorMes"]


def test_what_comes_while_an_empty_page_is_on_its_way_is_not_skipped() -> None:
    world = LanedWorld()
    speaker = world.member(1)
    speaker.says(*(sms(f"{n}") for n in range(200)))
    world.settle()
    world.backend.room(LOBBY).entries.clear()
    reader = world.member(2)
    feed = RoomFeed(reader.session, world.store(), world.clock, world.node().rooms[LOBBY], SEQ_ZERO)
    feed.follow()
    store = world.laned("one")
    store.asked.popleft()()
    speaker.says(sms("new"))
    world.clock.advance(0)
    store.asked.popleft()()
    store._look()
    store.news.popleft()()
    assert reader.texts() == ["new"]
    world.settle()
    assert reader.texts() == ["new"]


@pytest.mark.parametrize("steps", range(6))
def test_a_private_message_that_comes_while_a_login_looks_around_is_not_missed(
    steps: int,
) -> None:
    world = LanedWorld()
    sender, back = world.member(1), world.connect("two")
    store = world.laned("two")
    back.says(world.login(2, resume=wire.Resume(rooms={LOBBY: "1-0"}, inbox="0-0")))
    for _ in range(steps):
        world.clock.advance(0)
        store.asked.popleft()()
        store.answers.popleft()()
    sender.says(private(2))
    world.laned("one").step()
    store._look()
    while store.news:
        store.news.popleft()()
    world.settle()
    assert back.texts() == ["hello"]


def test_after_a_lapse_nothing_is_live_until_the_store_is_known_to_know_who_is_here(
    world: World,
) -> None:
    reader, sender = world.member(2, "two"), world.member(1)
    two = world.store("two")
    two.fail(Trouble.FORGETS)
    world.backend.nodes["two"].users.clear()
    sender.says(private(2, "wakes nobody"))
    world.node("two").bus_events.lease_lost()
    world.settle()
    sender.says(private(2, "wakes"))
    world.settle()
    assert reader.texts() == []
    two.recover()
    world.wait(3)
    assert reader.texts() == ["wakes nobody", "wakes"]


def test_what_was_told_before_a_second_lapse_does_not_count(world: World) -> None:
    reader, sender = world.member(2, "two"), world.member(1)
    two, node = world.store("two"), world.node("two")
    node.bus_events.lease_lost()
    world.clock.turn()
    node.bus_events.lease_lost()
    world.settle()
    world.backend.nodes["two"].users.clear()
    sender.says(private(2, "wakes nobody"))
    world.settle()
    two.fail(Trouble.FORGETS)
    world.wait(1.5)
    sender.says(private(2, "wakes"))
    world.settle()
    two.recover()
    world.wait(3)
    assert reader.texts() == ["wakes nobody", "wakes"]


def test_a_lapse_while_a_mailbox_is_caught_up_with_passes_over_nothing(world: World) -> None:
    reader, sender = world.member(2, "two"), world.member(1)
    two, node = world.store("two"), world.node("two")
    assert reader.session.inbox is not None
    reader.outbox.stuck = True
    reader.says(wire.PingMes())
    reader.session.inbox.look_again()
    world.backend.nodes["two"].users.clear()
    node.bus_events.lease_lost()
    reader.outbox.drain()
    sender.says(private(2, "wakes nobody"))
    # The catching up is over: from here on the store does, and does not say so.
    for _ in range(3):
        world.clock.turn()
    two.fail(Trouble.FORGETS)
    world.settle()
    sender.says(private(2, "wakes"))
    world.settle()
    two.recover()
    world.wait(3)
    assert reader.texts() == ["wakes nobody", "wakes"]
