"""One message to many outboxes, some of which can't take it at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatroom.delivery import direct
from chatroom.delivery.broadcast import Broadcast
from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import TransportOutbox
from chatroom.delivery.paced import PacedOutbox
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2, Blob, Codec
from tests.sockets import Pair, a_clock

LIMIT = 400_000
#: More than fits between the two ends of a `Pair`.
MUCH = b"m" * 80_000


@pytest.fixture(params=["copied", "shared"])
def pairs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pair]]:
    """Three connections; what they get is copied for each, or its pages are shared by all."""
    monkeypatch.setattr(direct, "SHARED_FROM", 1)
    monkeypatch.setattr(direct, "SHARED_AMONG", 1 if request.param == "shared" else 99)
    pairs = [Pair(a_clock()) for _ in range(3)]
    yield pairs
    for pair in pairs:
        pair.close()


def directly(pairs: list[Pair]) -> tuple[Broadcast, list[DirectOutbox]]:
    broadcast = Broadcast()
    outboxes = [DirectOutbox(pair.transport, LIMIT) for pair in pairs]
    for number, outbox in enumerate(outboxes):
        broadcast.add(str(number), DIALECT_2, outbox)
    return broadcast, outboxes


def words(text: bytes) -> Blob:
    return (text,)


def test_everybody_gets_the_same_in_the_same_turn_but_who_is_left_out(pairs: list[Pair]) -> None:
    broadcast, _ = directly(pairs)
    broadcast.tell(lambda _: (b"hel", b"lo"), exclude=["1", "nobody"])
    assert [pair.take() for pair in pairs] == [b"hello", b"", b"hello"]


def test_who_left_gets_nothing_more(pairs: list[Pair]) -> None:
    broadcast, _ = directly(pairs)
    broadcast.remove("0")
    broadcast.remove("0")
    broadcast.tell(lambda _: words(b"hello"))
    assert [pair.take() for pair in pairs] == [b"", b"hello", b"hello"]


def test_each_codec_and_kind_of_connection_gets_its_own(pairs: list[Pair]) -> None:
    broadcast = Broadcast()
    broadcast.add("0", DIALECT_2, DirectOutbox(pairs[0].transport, LIMIT))
    broadcast.add("1", DIALECT_2, TransportOutbox(pairs[1].transport, LIMIT))
    broadcast.add("2", DIALECT_1, PacedOutbox(pairs[2].transport, LIMIT, a_clock()))
    asked: list[Codec] = []

    def blob_for(codec: Codec) -> Blob:
        asked.append(codec)
        return words(b"one" if codec is DIALECT_1 else b"two")

    assert broadcast.codecs() == {DIALECT_1, DIALECT_2}
    broadcast.tell(blob_for)
    assert [pair.take_all() for pair in pairs] == [b"two", b"two", b"one"]
    assert len(asked) == 2


def test_what_a_socket_does_not_take_follows_in_order_and_nobody_else_waits(
    pairs: list[Pair],
) -> None:
    broadcast, outboxes = directly(pairs)
    outboxes[1].put(words(MUCH))
    assert outboxes[1].queued
    for text in (b"one", b"two"):
        broadcast.tell(lambda _, text=text: words(text))  # type: ignore[misc]
    assert [pairs[0].take(), pairs[2].take()] == [b"onetwo", b"onetwo"]
    broadcast.tell(lambda _: words(MUCH))
    everything = [pair.take_all() for pair in pairs]
    assert everything == [MUCH, MUCH + b"onetwo" + MUCH, MUCH]
    assert not any(outbox.queued for outbox in outboxes)


def test_a_queue_that_is_full_is_said_to_be_and_the_others_get_theirs(pairs: list[Pair]) -> None:
    broadcast, outboxes = directly(pairs)
    outboxes[0].put(words(b"x" * LIMIT))
    full: list[str] = []

    def leave() -> None:
        full.append("0")
        broadcast.remove("0")
        outboxes[0].drop()

    outboxes[0].on_full = leave
    for _ in range(3):
        broadcast.tell(lambda _: words(MUCH))
    assert full == ["0"]
    assert [pair.take_all() for pair in pairs[1:]] == [3 * MUCH, 3 * MUCH]


def test_who_goes_while_all_are_told_costs_nobody_anything(pairs: list[Pair]) -> None:
    broadcast, outboxes = directly(pairs)
    outboxes[0].put(words(b"x" * LIMIT))
    # Told after the first one, and gone by then.
    outboxes[0].on_full = outboxes[1].drop
    pairs[1].transport.socket.close()
    broadcast.tell(lambda _: words(MUCH))
    assert pairs[2].take_all() == MUCH
    assert not outboxes[1].put(words(b"more"))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no files in memory")
def test_what_is_shared_stays_what_it_was_until_the_last_one_has_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sendfile", counted := Counted(os.sendfile))
    pairs = [Pair(a_clock()) for _ in range(direct.SHARED_AMONG)]
    broadcast, _ = directly(pairs)
    before = open_files()
    # No two the same, and each a little more than some whole pages.
    parts = [bytes([number]) * (direct.SHARED_FROM + number) for number in range(3)]
    for part in parts:
        broadcast.tell(lambda _, part=part: words(part))  # type: ignore[misc]
    assert counted.calls >= len(pairs)
    assert open_files() == before
    assert {pair.take_all() for pair in pairs} == {b"".join(parts)}
    for pair in pairs:
        pair.close()


@pytest.mark.parametrize("refused", ["memfd_create", "write"])
def test_where_nothing_can_be_shared_each_gets_a_copy(
    monkeypatch: pytest.MonkeyPatch, pairs: list[Pair], refused: str
) -> None:
    def no(*_: object) -> int:
        raise OSError(errno.EMFILE, "no more")

    broadcast, _ = directly(pairs)
    before = open_files()
    monkeypatch.setattr(os, refused, no, raising=False)
    broadcast.tell(lambda _: words(b"hello"))
    assert [pair.take() for pair in pairs] == [b"hello"] * 3
    assert open_files() == before


class Counted:
    """A function, and how often it was called."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.calls = 0
        self._function = function

    def __call__(self, *args: int) -> int:
        self.calls += 1
        return self._function(*args)
