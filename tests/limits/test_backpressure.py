"""Whose messages are read while the store or the sockets are behind, and who is cut off."""

from __future__ import annotations

from typing import Any, cast

import pytest

from chatroom.delivery.outbox import TransportOutbox
from chatroom.limits.backpressure import LOOK, MAX_UNANSWERED, MOST_OF_ALL, PATIENCE, Backpressure
from tests.doubles.memory_store import Trouble
from tests.world import Turns, World, kinds, sms


class Talker:
    """Who sends, and is told to wait."""

    def __init__(self) -> None:
        self._held = False

    def waits(self) -> bool:
        return self._held

    def hold(self) -> None:
        assert not self._held, "held twice"
        self._held = True

    def release(self) -> None:
        assert self._held, "released without being held"
        self._held = False


class Scene:
    """A backpressure with people around it."""

    def __init__(self, online: int) -> None:
        self.clock = Turns()
        self.people = [Talker() for _ in range(online)]
        self.backpressure = Backpressure(cast("Any", self.clock), lambda: len(self.people))

    def takes(self, talker: Talker, count: int = 1) -> None:
        for _ in range(count):
            self.backpressure.took(talker)

    def answers(self, talker: Talker, count: int = 1) -> None:
        for _ in range(count):
            self.backpressure.answered(talker)

    def behind(self, count: int) -> list[Talker]:
        for person in self.people[:count]:
            self.backpressure.fell_behind(person)
        return self.people[:count]

    def wait(self, seconds: float) -> None:
        self.clock.pump([LOOK] * round(seconds / LOOK))


# ---------------------------------------------------------------- the store is behind


def test_a_sender_alone_may_have_a_hundred_on_their_way() -> None:
    scene = Scene(1)
    [talker] = scene.people
    scene.takes(talker, MAX_UNANSWERED - 1)
    assert not talker.waits()
    scene.takes(talker)
    assert talker.waits()
    scene.answers(talker)
    assert not talker.waits()


def test_when_the_store_is_behind_the_noisiest_wait_and_the_quiet_do_not() -> None:
    scene = Scene(21)
    *noisy, quiet = scene.people
    share = MOST_OF_ALL // len(noisy)
    for talker in noisy:
        scene.takes(talker, share - 1)
    assert not any(talker.waits() for talker in noisy)
    for talker in noisy:
        scene.takes(talker)
    scene.takes(quiet)
    for talker in noisy[:-1]:
        scene.takes(talker)
    assert all(talker.waits() for talker in noisy)
    assert not quiet.waits()


def test_who_waited_goes_on_once_it_has_no_more_than_its_share() -> None:
    scene = Scene(20)
    share = MOST_OF_ALL // len(scene.people)
    for talker in scene.people:
        scene.takes(talker, share)
    first, second = scene.people[:2]
    scene.takes(first)
    scene.takes(second)
    assert first.waits()
    assert second.waits()
    scene.answers(first, 2)
    assert not first.waits()
    assert second.waits()


def test_with_very_many_senders_each_may_still_send_one() -> None:
    scene = Scene(MOST_OF_ALL + 10)
    for talker in scene.people:
        scene.takes(talker)
    late = scene.people[-1]
    assert late.waits()
    scene.answers(late)
    assert not late.waits()


@pytest.mark.no_cover  # the other tests go the same ways
def test_the_store_in_trouble_pauses_many_senders_and_all_arrives_once_it_recovers(
    world: World,
) -> None:
    clients = [world.member(user) for user in range(1, 21)]
    world.store().fail(Trouble.HANGS)
    for number, client in enumerate(clients):
        client.says(*(sms(f"{number} {n}", f"id{number} {n}") for n in range(90)))
    world.settle()
    assert clients[-1].has_to_wait()
    assert not clients[0].has_to_wait(), "it had said all before it became too much"
    world.store().recover()
    world.settle()
    assert not any(client.has_to_wait() for client in clients)
    assert len(world.room()) == 20 * 90


# ---------------------------------------------------------------- the sockets are behind


def test_while_most_clients_are_behind_a_sender_waits_after_each_message() -> None:
    scene = Scene(10)
    talker = scene.people[-1]
    late = scene.behind(6)
    scene.takes(talker)
    assert talker.waits()
    scene.answers(talker)
    assert talker.waits()
    for client in late[:1]:
        scene.backpressure.caught_up(client)
    scene.wait(LOOK)
    assert not talker.waits()


def test_when_half_of_the_clients_are_behind_nobody_waits() -> None:
    scene = Scene(10)
    scene.behind(5)
    scene.takes(scene.people[-1], 10)
    assert not scene.people[-1].waits()


def test_nobody_waits_for_long_for_clients_that_do_not_read() -> None:
    scene = Scene(10)
    talker = scene.people[-1]
    scene.behind(9)
    scene.takes(talker)
    scene.answers(talker)
    scene.wait(PATIENCE - 2 * LOOK)
    assert talker.waits()
    scene.wait(4 * LOOK)
    assert not talker.waits()
    scene.behind(9)
    scene.takes(talker)
    assert not talker.waits(), "they are as far behind as before"


def test_a_client_that_caught_up_counts_again_when_it_falls_behind_again() -> None:
    scene = Scene(3)
    talker = scene.people[-1]
    for client in scene.behind(2):
        scene.wait(2 * PATIENCE)
        scene.backpressure.caught_up(client)
    scene.behind(2)
    scene.takes(talker)
    assert talker.waits()


def test_with_a_hundred_unanswered_it_is_not_enough_that_the_sockets_caught_up() -> None:
    scene = Scene(3)
    talker = scene.people[-1]
    late = scene.behind(2)
    scene.takes(talker, MAX_UNANSWERED)
    for client in late:
        scene.backpressure.caught_up(client)
    scene.wait(1)
    assert talker.waits()
    scene.answers(talker)
    assert not talker.waits()


def test_a_session_whose_queue_grows_counts_as_behind_until_it_drains(world: World) -> None:
    sender, *others = (world.member(user) for user in range(1, 4))
    for other in others:
        other.outbox.on_behind()
    sender.says(sms("one", "a"), sms("two", "b"))
    world.settle()
    assert sender.has_to_wait()
    assert world.room_texts() == ["one"]
    for other in others:
        other.outbox.on_drained()
    world.wait(2 * LOOK)
    assert not sender.has_to_wait()
    assert world.room_texts() == ["one", "two"]


def test_a_session_that_is_gone_is_behind_no_more(world: World) -> None:
    sender, *others = (world.member(user) for user in range(1, 4))
    for other in others:
        other.outbox.on_behind()
        other.cut()
    sender.says(sms("one", "a"), sms("two", "b"))
    world.settle()
    assert not sender.has_to_wait()


class FullTransport:
    """Takes all, and says that it holds too much."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        producer.pauseProducing()

    def write(self, data: bytes) -> None:
        """Nothing leaves."""


def test_a_queue_tells_when_it_is_more_than_a_quarter_of_its_limit() -> None:
    outbox = TransportOutbox(FullTransport(), 1000)
    told: list[int] = []
    outbox.on_behind = lambda: told.append(outbox.queued)
    for _ in range(4):
        outbox.put((b"x" * 100,))
    assert told == [301, 401]


# ---------------------------------------------------------------- a client that never reads


@pytest.mark.parametrize("dialect", [1, 2])
def test_who_never_reads_is_cut_off_and_nobody_else_waits(world: World, dialect: int) -> None:
    sender, reader = world.member(1), world.member(2)
    idler = world.enter(3, dialect=dialect, send_queue=4000)
    world.wait(0.3)
    world.forget(sender, reader, idler)
    idler.outbox.stuck = True
    said = [f"number {n}" for n in range(40)]
    for text in said:
        sender.says(sms(text, text))
        world.settle()
    assert reader.texts() == said
    assert [code for _, code in sender.acks()] == [200] * 40
    assert not sender.has_to_wait()
    assert idler.session.closed
    if dialect == 1:
        assert idler.aborted
        return
    assert not idler.aborted, "it has a while to take what it is told"
    idler.outbox.drain()
    [error] = idler.take()
    assert kinds([error]) == ["ErrorMes"]
    assert (getattr(error, "code", 0), getattr(error, "reconnect", False)) == (409, True)
