"""Posts are gathered into few script calls, and every caller gets an answer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from chatroom.protocol.messages import Seq
from chatroom.store.records import Outcome, Receipt, StoreUnavailable
from chatroom.store.redis.conversations import BATCH, Batcher


class Script:
    """Answers calls when told to; a post is nothing but its number."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[tuple[str, ...]], Deferred[list[bytes | list[bytes]]]]] = []

    def __call__(self, posts: list[tuple[str, ...]]) -> Deferred[list[bytes | list[bytes]]]:
        deferred: Deferred[list[bytes | list[bytes]]] = Deferred()
        self.calls.append((posts, deferred))
        return deferred

    def answer(self) -> None:
        posts, deferred = self.calls[-1]
        deferred.callback([f"1-{number}".encode() for (number,) in posts])


class Rig:
    """A batcher, and what came of what was added to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.script = Script()
        self.batcher = Batcher(self.clock, self.script)
        self.results: dict[int, Any] = {}

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.batcher.add(str(number)).addBoth(partial(self.results.__setitem__, number))

    def sent(self) -> list[list[int]]:
        return [[int(number) for (number,) in posts] for posts, _ in self.script.calls]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_one_turn_brings_is_one_call(rig: Rig) -> None:
    rig.add(1, 2, 3)
    assert rig.sent() == []
    rig.clock.advance(0)
    assert rig.sent() == [[1, 2, 3]]
    rig.script.answer()
    assert rig.results[3] == Receipt(outcome=Outcome.STORED, seq=Seq(1, 3))


def test_one_call_at_a_time_and_what_comes_meanwhile_is_the_next(rig: Rig) -> None:
    rig.add(1)
    rig.clock.advance(0)
    rig.add(2)
    rig.add(3)
    rig.clock.advance(0)
    assert rig.sent() == [[1]]
    rig.script.answer()
    rig.clock.advance(0)
    assert rig.sent() == [[1], [2, 3]]


def test_a_call_has_a_bounded_size(rig: Rig) -> None:
    rig.add(*range(BATCH + 1))
    rig.clock.advance(0)
    rig.script.answer()
    rig.clock.advance(0)
    assert [len(arguments) for arguments in rig.sent()] == [BATCH, 1]


def test_a_failed_call_fails_its_posts_only(rig: Rig) -> None:
    rig.add(1, 2)
    rig.clock.advance(0)
    rig.add(3)
    rig.script.calls[0][1].errback(StoreUnavailable("gone"))
    assert [rig.results[n].getErrorMessage() for n in (1, 2)] == ["gone", "gone"]
    assert rig.results[1].value is not rig.results[2].value
    rig.clock.advance(0)
    rig.script.answer()
    assert rig.results[3].outcome is Outcome.STORED


@pytest.mark.parametrize("replies", [[], [[b"nonsense", b"1-1"]], [[b"known"]], [b"1"], None])
def test_a_reply_that_makes_no_sense_fails_the_posts(rig: Rig, replies: Any) -> None:
    events: list[Any] = []
    publisher: Any = globalLogPublisher
    publisher.addObserver(events.append)
    rig.add(1)
    rig.clock.advance(0)
    rig.script.calls[0][1].callback(replies)
    publisher.removeObserver(events.append)
    assert rig.results[1].check(StoreUnavailable)
    assert len(events) == 1
    rig.add(2)
    rig.clock.advance(0)
    assert rig.sent() == [[1], [2]]


def test_a_caller_may_add_again_from_its_answer(rig: Rig) -> None:
    rig.batcher.add("1").addCallback(lambda _: rig.add(2))
    rig.clock.advance(0)
    rig.script.answer()
    rig.clock.advance(0)
    rig.script.answer()
    assert rig.results[2].seq == Seq(1, 2)


def test_a_caller_that_adds_again_at_each_failure_does_not_block_the_others() -> None:
    clock = Clock()
    tries = []

    async def fail(posts: list[tuple[str, ...]]) -> list[bytes | list[bytes]]:
        tries.append(posts)
        raise StoreUnavailable("gone")

    batcher = Batcher(clock, fail)

    def again(_: object) -> None:
        if len(tries) < 10_000:
            batcher.add("1").addErrback(again)

    again(None)
    turns = 0
    while clock.calls and turns < 10:
        turns += 1
        call = clock.calls.pop(0)
        call.func(*call.args, **call.kw)
    assert len(tries) <= 10


def test_a_caller_that_no_longer_waits_changes_nothing_for_the_others(rig: Rig) -> None:
    given_up = rig.batcher.add("1")
    given_up.addErrback(lambda _: None)
    rig.add(2)
    rig.clock.advance(0)
    given_up.cancel()
    rig.script.answer()
    assert rig.results[2].seq == Seq(1, 2)


def test_idle_is_when_all_is_answered(rig: Rig) -> None:
    assert rig.batcher.when_idle().called
    rig.add(1)
    ended: list[None] = []
    rig.batcher.when_idle().addCallback(ended.append)
    rig.clock.advance(0)
    rig.add(2)
    rig.script.answer()
    rig.clock.advance(0)
    assert ended == []
    rig.script.answer()
    rig.clock.advance(0)
    assert len(ended) == 1
    assert set(rig.results) == {1, 2}
