"""One message to many outboxes, some of which can't take it at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chatroom.audience import Audience
from chatroom.dialects import DIALECT_1, DIALECT_2, Blob, Codec
from chatroom.outbox import DirectOutbox, PacedOutbox, TransportOutbox
from tests.sockets import Pair, a_clock

LIMIT = 400_000
#: More than fits between the two ends of a `Pair`.
MUCH = b"m" * 80_000


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    pairs = [Pair(a_clock()) for _ in range(3)]
    yield pairs
    for pair in pairs:
        pair.close()


def directly(pairs: list[Pair]) -> tuple[Audience, list[DirectOutbox]]:
    audience = Audience()
    outboxes = [DirectOutbox(pair.transport, LIMIT) for pair in pairs]
    for number, outbox in enumerate(outboxes):
        audience.add(str(number), DIALECT_2, outbox)
    return audience, outboxes


def words(text: bytes) -> Blob:
    return (text,)


def test_everybody_gets_the_same_in_the_same_turn_but_who_is_left_out(pairs: list[Pair]) -> None:
    audience, _ = directly(pairs)
    audience.tell(lambda _: (b"hel", b"lo"), but=["1", "nobody"])
    assert [pair.take() for pair in pairs] == [b"hello", b"", b"hello"]


def test_who_left_gets_nothing_more(pairs: list[Pair]) -> None:
    audience, _ = directly(pairs)
    audience.remove("0")
    audience.remove("0")
    audience.tell(lambda _: words(b"hello"))
    assert [pair.take() for pair in pairs] == [b"", b"hello", b"hello"]


def test_each_codec_and_kind_of_connection_gets_its_own(pairs: list[Pair]) -> None:
    audience = Audience()
    audience.add("0", DIALECT_2, DirectOutbox(pairs[0].transport, LIMIT))
    audience.add("1", DIALECT_2, TransportOutbox(pairs[1].transport, LIMIT))
    audience.add("2", DIALECT_1, PacedOutbox(pairs[2].transport, LIMIT, a_clock()))
    asked: list[Codec] = []

    def blob_for(codec: Codec) -> Blob:
        asked.append(codec)
        return words(b"one" if codec is DIALECT_1 else b"two")

    assert audience.codecs() == {DIALECT_1, DIALECT_2}
    audience.tell(blob_for)
    assert [pair.take_all() for pair in pairs] == [b"two", b"two", b"one"]
    assert len(asked) == 2


def test_what_a_socket_does_not_take_follows_in_order_and_nobody_else_waits(
    pairs: list[Pair],
) -> None:
    audience, outboxes = directly(pairs)
    outboxes[1].put(words(MUCH))
    assert outboxes[1].queued
    for text in (b"one", b"two"):
        audience.tell(lambda _, text=text: words(text))  # type: ignore[misc]
    assert [pairs[0].take(), pairs[2].take()] == [b"onetwo", b"onetwo"]
    audience.tell(lambda _: words(MUCH))
    everything = [pair.take_all() for pair in pairs]
    assert everything == [MUCH, MUCH + b"onetwo" + MUCH, MUCH]
    assert not any(outbox.queued for outbox in outboxes)


def test_a_queue_that_is_full_is_said_to_be_and_the_others_get_theirs(pairs: list[Pair]) -> None:
    audience, outboxes = directly(pairs)
    outboxes[0].put(words(b"x" * LIMIT))
    full: list[str] = []

    def leave() -> None:
        full.append("0")
        audience.remove("0")
        outboxes[0].drop()

    outboxes[0].on_full = leave
    for _ in range(3):
        audience.tell(lambda _: words(MUCH))
    assert full == ["0"]
    assert [pair.take_all() for pair in pairs[1:]] == [3 * MUCH, 3 * MUCH]


def test_who_goes_while_all_are_told_costs_nobody_anything(pairs: list[Pair]) -> None:
    audience, outboxes = directly(pairs)
    outboxes[0].put(words(b"x" * LIMIT))
    # Told after the first one, and gone by then.
    outboxes[0].on_full = outboxes[1].drop
    pairs[1].transport.socket.close()
    audience.tell(lambda _: words(MUCH))
    assert pairs[2].take_all() == MUCH
    assert not outboxes[1].put(words(b"more"))
