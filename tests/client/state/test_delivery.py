"""Whatever is cut, refused, late or said twice: one outcome for each message, each shown once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from twisted.internet.task import Clock

from chatroom.client import ChatClient, Incoming, State
from chatroom.protocol import messages as wire
from tests.client.model_server import ANN, BOB, Fate, ModelServer, World, place, tell_others
from tests.client.network import REFUSED, Network
from tests.client.stage import Outcome

ROOMS = st.sampled_from(["lobby", None])
BYTES = st.one_of(st.none(), st.integers(0, 300))
FATES = st.sampled_from(["ok", "505", "505 stored", "429", "cut", "cut stored"])
#: A step: the name of a method of `Trial`, and what it is called with.
STEPS = st.one_of(
    st.tuples(st.just("send"), ROOMS),
    st.tuples(st.just("bob_says"), ROOMS),
    st.tuples(st.just("other_device_says"), ROOMS),
    st.tuples(st.just("say_again"), ROOMS),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 1.0, 5.0])),
    st.tuples(st.just("cut"), BYTES, BYTES),
    st.tuples(st.just("fate"), FATES),
    st.tuples(st.just("lag")),
    st.tuples(st.just("catch_up")),
    st.tuples(st.just("refuse"), st.booleans()),
)


class Trial:
    """One client, one model server, and what happened between them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.world = World()
        self.network = Network(lambda: ModelServer(self.world))
        self.shown: list[Incoming] = []
        self.client = ChatClient(self.network, reactor=self.clock, on_text=self.shown.append)
        self.sent: list[tuple[str | None, str, Outcome]] = []
        Outcome(self.client.log_in(ANN, "secret"))
        self.network.run()
        assert self.client.login is not None

    def take(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def send(self, room: str | None) -> None:
        content = f"mine {len(self.sent)}"
        if room is None:
            outcome = Outcome(self.client.send_private(BOB, content))
        else:
            outcome = Outcome(self.client.send(content, room))
        self.sent.append((room, content, outcome))

    def bob_says(self, room: str | None) -> None:
        self.say(room, BOB)

    def other_device_says(self, room: str | None) -> None:
        self.say(room, ANN)

    def say_again(self, room: str | None) -> None:
        session, log = self.world.sessions[-1], self.world.logs[room]
        if log and session.logged_in and session.waiting is None:
            session.say(log[len(log) // 2])

    def deliver(self) -> None:
        self.network.run()

    def wait(self, seconds: float) -> None:
        self.network.run()
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            self.network.run()

    def cut(self, to_client: int | None, to_server: int | None) -> None:
        self.network.last.cut(to_client, to_server)

    def fate(self, fate: Fate) -> None:
        self.world.fates.append(fate)

    def lag(self) -> None:
        self.world.sessions[-1].lag()

    def catch_up(self) -> None:
        self.world.sessions[-1].catch_up()

    def refuse(self, refuse: bool) -> None:
        self.network.refuse = REFUSED if refuse else None

    def say(self, room: str | None, user_id: int) -> None:
        count = len(self.world.logs[room])
        text: wire.Text
        if room is None:
            to = ANN if user_id == BOB else BOB
            text = wire.PrivateMes(f"theirs {count}", user_id, to_user_id=to, id=f"id-{count}")
        else:
            text = wire.SmsMes(f"theirs {count}", user_id, room=room, id=f"r-{count}")
        tell_others(self.world, self.world.store(room, text))

    def make_all_well(self) -> None:
        self.network.refuse = None
        for session in self.world.sessions:
            session.catch_up()
        self.wait(60)

    def check(self) -> None:
        assert self.client.state is State.ONLINE
        assert self.client.unsettled == 0
        mine = {content for _, content, _ in self.sent}
        for room, content, outcome in self.sent:
            assert outcome.times == 1
            [stored] = [text for text in self.world.logs[room] if text.content == content]
            assert outcome.value.seq == place(stored)
        for room, log in self.world.logs.items():
            expected = [text.content for text in log if text.content not in mine]
            assert [i.content for i in self.shown if i.room == room] == expected
        inbox = self.world.logs[None]
        if inbox and inbox[-1].user_id == BOB:
            assert self.world.received == self.world.newest(None)
        assert len(self.client.position.rooms) == 1
        assert self.client.position.rooms["lobby"] == self.world.newest("lobby")


@pytest.mark.no_cover  # as below: it goes where the others have been
@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_every_message_has_one_outcome_and_is_shown_once(steps: list[tuple[Any, ...]]) -> None:
    trial = Trial()
    for step in steps:
        trial.take(step)
    trial.make_all_well()
    trial.check()


@pytest.mark.no_cover
@settings(max_examples=50)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), ROOMS),
            st.tuples(st.just("deliver")),
            st.tuples(st.just("wait"), st.just(0.3)),
            st.tuples(st.just("cut"), BYTES, BYTES),
            st.tuples(st.just("fate"), st.sampled_from(["cut", "cut stored"])),
        ),
        max_size=30,
    )
)
def test_connections_that_break_never_change_the_order(steps: list[tuple[Any, ...]]) -> None:
    trial = Trial()
    for step in steps:
        trial.take(step)
    trial.make_all_well()
    trial.check()
    for room, log in trial.world.logs.items():
        assert [text.content for text in log] == [c for r, c, _ in trial.sent if r == room]
