"""Open files that run out: nothing is accepted for a while, and the log says so once."""

from __future__ import annotations

import resource
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from chatroom.limits import file_descriptors as descriptors
from chatroom.limits.file_descriptors import (
    FIRST_REST,
    LAST_REST,
    RESERVE,
    SPARE,
    STEADY,
    Accepting,
)


class Port:
    """A listening port with somebody before it all the time."""

    def __init__(self) -> None:
        self.numberAccepts = 1000
        self.reading = True
        self.accepted = 0

    def doRead(self) -> None:  # noqa: N802  # Twisted's name
        self.accepted += 1

    def startReading(self) -> None:  # noqa: N802  # Twisted's name
        self.reading = True

    def stopReading(self) -> None:
        self.reading = False


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.few = False
        monkeypatch.setattr(descriptors, "few_are_left", lambda: self.few)
        self.clock: Any = Clock()
        self.accepting = Accepting(self.clock)
        self.ports = [Port(), Port()]
        for port in self.ports:
            self.accepting.watch(port)

    def turn(self) -> None:
        for port in self.ports:
            if port.reading:
                port.doRead()

    @property
    def reading(self) -> list[bool]:
        return [port.reading for port in self.ports]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_while_there_are_some_everything_is_accepted_but_not_too_many_at_once(scene: Scene) -> None:
    scene.turn()
    assert [port.accepted for port in scene.ports] == [1, 1]
    assert all(port.numberAccepts < SPARE for port in scene.ports)


def test_with_few_left_nothing_is_accepted_for_longer_and_longer(scene: Scene) -> None:
    scene.few = True
    tried = []
    with capturedLogs() as logs:
        for _ in range(60):
            scene.turn()
            assert scene.reading == [False, False]
            scene.clock.advance(FIRST_REST / 2)
            tried.append(scene.clock.getDelayedCalls()[0].getTime())
    assert [port.accepted for port in scene.ports] == [0, 0]
    assert len(logs) == 1
    assert len(set(tried)) < 30 / LAST_REST + 5


def test_when_some_are_free_again_it_goes_on_and_says_so_once_that_holds(scene: Scene) -> None:
    with capturedLogs() as logs:
        for few in (True, False, True, False):
            scene.few = few
            scene.turn()
            scene.clock.advance(LAST_REST)
        assert scene.reading == [True, True]
        scene.clock.advance(STEADY)
    assert len(logs) == 2
    scene.turn()
    assert scene.ports[0].accepted > 0


def test_a_port_that_reads_from_no_socket_is_left_alone(scene: Scene) -> None:
    scene.accepting.watch(object())


def test_what_stops_waits_for_nothing(scene: Scene) -> None:
    scene.few = True
    scene.turn()
    scene.accepting.stop()
    assert scene.clock.getDelayedCalls() == []


def test_connections_leave_room_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert descriptors.most_connections() == 1024 - RESERVE
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert descriptors.most_connections() == 0


def test_the_limit_is_raised_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    descriptors.raise_limit()
    assert asked == [(4096, 4096)]


def test_a_system_that_allows_less_than_it_says_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    descriptors.raise_limit()


def test_few_are_left_when_the_lowest_that_is_free_is_high(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not descriptors.few_are_left()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (SPARE, SPARE))
    assert descriptors.few_are_left()
