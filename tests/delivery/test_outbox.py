"""What waits to leave over one connection: in order, bounded, and never half a frame lost."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from chatroom.delivery import paced as paced_module
from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import CHUNK, Outbox, TransportOutbox
from chatroom.delivery.paced import LAST_LOOK, MAX_UNACKNOWLEDGED, PacedOutbox
from chatroom.protocol.codec import frame
from tests.sockets import Pair, a_clock
from tests.wire import frames

LIMIT = 400_000
#: More than fits between the two ends of a `Pair`, and more than Twisted's transport likes.
MUCH = 80_000

Make = Callable[[Pair], Outbox]


def direct(pair: Pair) -> DirectOutbox:
    return DirectOutbox(pair.transport, LIMIT)


def through_transport(pair: Pair) -> TransportOutbox:
    return TransportOutbox(pair.transport, LIMIT)


def paced(pair: Pair) -> PacedOutbox:
    return PacedOutbox(pair.transport, LIMIT, a_clock())


every_way = pytest.mark.parametrize("make", [direct, through_transport, paced])
#: The two that do not wait for the peer's acknowledgement.
unpaced = pytest.mark.parametrize("make", [direct, through_transport])


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(a_clock())
    yield pair
    pair.close()


def text(size: int, fill: bytes = b"x") -> bytes:
    """A frame of ``size`` bytes."""
    return frame(fill * (size - 4))


def stuck(pair: Pair, make: Make) -> Outbox:
    """An outbox that has something waiting."""
    outbox = make(pair)
    outbox.put((text(2 * MUCH),))
    assert outbox.queued
    return outbox


def events(outbox: Outbox) -> list[str]:
    """What the outbox tells from now on."""
    told: list[str] = []
    outbox.on_drained = lambda: told.append("drained")
    outbox.on_full = lambda: told.append("full")
    return told


# ---------------------------------------------------------------- what holds for every way


@every_way
def test_what_is_put_arrives(pair: Pair, make: Make) -> None:
    make(pair).put((b"one", b"two"))
    assert pair.take_all() == b"onetwo"


@pytest.mark.parametrize("make", [direct, paced])
def test_what_the_socket_takes_leaves_in_the_same_turn(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    outbox.put((b"one", b"two"))
    outbox.put((b"three",))
    assert pair.take() == b"onetwothree"
    assert not outbox.queued


# Not parametrized: pytest-twisted wraps a property once for every set of parameters.
@settings(max_examples=60)
@given(
    make=st.sampled_from([direct, through_transport]),
    steps=st.lists(
        st.one_of(st.integers(min_value=1, max_value=40_000), st.just("turn"), st.just("read")),
        max_size=30,
    ),
)
def test_everything_arrives_once_and_in_order(make: Make, steps: list[int | str]) -> None:
    pair = Pair(a_clock())
    outbox = make(pair)
    outbox.on_full = lambda: pytest.fail("it was not to be full")
    outbox.limit = 1 << 30
    put, taken = [], []
    for number, step in enumerate(steps):
        if step == "turn":
            pair.reactor.turn()
        elif step == "read":
            taken.append(pair.take())
        else:
            assert isinstance(step, int)
            put.append(bytes([number]) * step)
            outbox.put((put[-1][: step // 2], put[-1][step // 2 :]))
    taken.append(pair.take_all())
    assert b"".join(taken) == b"".join(put)
    assert not outbox.queued
    pair.close()


@every_way
def test_a_blob_larger_than_the_bound_passes_when_nothing_waits(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    told = events(outbox)
    outbox.put((text(3 * LIMIT),))
    assert "full" not in told
    assert outbox.queued


@unpaced
def test_what_would_lift_the_queue_over_the_bound_is_refused_and_told(
    pair: Pair, make: Make
) -> None:
    outbox = stuck(pair, make)
    told = events(outbox)
    outbox.put((text(LIMIT, b"y"),))
    assert told == ["full"]
    assert b"y" not in pair.take_all()


@every_way
def test_nothing_at_all_passes_also_when_it_is_full(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    outbox.put((text(3 * LIMIT),))
    told = events(outbox)
    outbox.put(())
    assert told == []


@unpaced
def test_it_tells_when_all_that_waited_has_left(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    told = events(outbox)
    outbox.put((text(50),))
    assert told == []
    pair.take_all()
    assert told == ["drained"]
    assert outbox.queued == 0


@unpaced
def test_who_is_told_that_all_has_left_can_put_more(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    more = [text(MUCH, b"a"), text(MUCH, b"b"), text(10, b"c")]
    outbox.on_drained = lambda: outbox.put((more.pop(0),)) if more else None
    assert [payload[:1] for payload in frames(pair.take_all())] == [b"x", b"a", b"b", b"c"]


@unpaced
def test_cutting_short_leaves_only_whole_frames_and_the_last_word(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    for _ in range(3):
        outbox.put((text(1000, b"forgotten"),))
    outbox.cut_short((text(20, b"l"),))
    arrived = frames(pair.take_all())
    assert [payload[:1] for payload in arrived] == [b"x", b"l"]
    assert len(arrived[0]) == 2 * MUCH - 4


@unpaced
def test_cutting_short_while_full_is_not_full_again(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    times = []

    def cut() -> None:
        times.append(1)
        outbox.cut_short((text(LIMIT, b"l"),))

    outbox.on_full = cut
    outbox.put((text(LIMIT),))
    assert times == [1]
    assert [payload[:1] for payload in frames(pair.take_all())] == [b"x", b"l"]


@every_way
def test_cutting_short_when_nothing_waits_just_sends(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    outbox.cut_short((b"last",))
    assert pair.take_all() == b"last"
    assert not outbox.queued


@every_way
def test_with_nothing_waiting_it_is_finished_at_once(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    done: list[str] = []
    outbox.put((b"last",))
    outbox.finish(lambda: done.append("done"))
    assert done == ["done"]


@unpaced
def test_the_last_word_goes_behind_everything_whatever_the_limit(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    told = events(outbox)
    outbox.limit = 1
    outbox.finish(lambda: told.append("finished"), (text(10, b"z"),))
    assert told == []
    assert frames(pair.take_all())[-1] == b"zzzzzz"
    assert told == ["finished"]


@unpaced
def test_the_last_word_leaves_at_once_where_nothing_waits(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    told = events(outbox)
    outbox.finish(lambda: told.append("finished"), (text(10, b"z"),))
    assert frames(pair.take_all()) == [b"zzzzzz"]
    assert told == ["finished"]


@every_way
def test_nobody_hears_the_last_word_on_a_connection_that_is_gone(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    outbox.drop()
    told = events(outbox)
    outbox.finish(lambda: told.append("finished"), (text(10, b"z"),))
    assert pair.take_all() == b""
    assert told == ["finished"]


def test_what_the_transport_was_given_before_leaves_first(pair: Pair) -> None:
    pair.transport.write(b"before")
    outbox = DirectOutbox(pair.transport, LIMIT, held=6)
    told = events(outbox)
    outbox.put((b"behind",))
    assert pair.take_all() == b"beforebehind"
    assert told == ["drained"]
    outbox.put((b"now",))
    assert pair.take() == b"now"


@unpaced
def test_the_connection_closes_behind_the_last_frame(pair: Pair, make: Make) -> None:
    outbox = stuck(pair, make)
    outbox.put((text(100, b"l"),))

    def hang_up() -> None:
        pair.transport.unregisterProducer()
        pair.transport.loseConnection()

    outbox.finish(hang_up)
    assert len(frames(pair.take_all())) == 2
    assert pair.transport.disconnected


@every_way
def test_a_connection_that_breaks_loses_what_waits_and_raises_nothing(
    pair: Pair, make: Make
) -> None:
    outbox = stuck(pair, make)
    told = events(outbox)
    outbox.finish(lambda: told.append("done"))
    pair.far.close()
    outbox.put((text(10),))
    while pair.reactor.turn():
        pass
    outbox.put((text(10),))
    outbox.put_marked((text(10),), lambda: told.append("marked"))
    outbox.finish(lambda: told.append("finished"))
    assert outbox.queued == 0
    assert told == ["finished"]


@every_way
def test_what_breaks_before_it_is_noticed_is_left_to_the_transport(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    pair.far.close()
    outbox.put((text(10),))
    outbox.put((text(10),))
    while pair.reactor.turn():
        pass
    assert pair.transport.disconnected
    assert outbox.queued == 0


@every_way
def test_once_dropped_nothing_leaves(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    told = events(outbox)
    outbox.drop()
    outbox.put((text(10),))
    outbox.cut_short((text(10),))
    outbox.resumeProducing()  # type: ignore[attr-defined]
    assert pair.take_all() == b""
    assert told == []


@unpaced
def test_a_mark_is_reached_when_all_was_given_to_the_system(pair: Pair, make: Make) -> None:
    outbox = make(pair)
    told = events(outbox)
    outbox.put_marked((text(10),), lambda: told.append("at once"))
    outbox.put((text(2 * MUCH),))
    outbox.put_marked((text(10),), lambda: told.append("later"))
    assert told == ["at once"]
    pair.take_all()
    assert told == ["at once", "later", "drained"]


@unpaced
def test_the_mark_of_what_was_refused_forgotten_or_lost_is_never_reached(
    pair: Pair, make: Make
) -> None:
    outbox = stuck(pair, make)
    told = events(outbox)
    outbox.put_marked((text(LIMIT),), lambda: told.append("refused"))
    outbox.put_marked((text(10),), lambda: told.append("forgotten"))
    outbox.cut_short((text(10),))
    outbox.put_marked((text(10),), lambda: told.append("lost"))
    outbox.drop()
    outbox.put_marked((text(10),), lambda: told.append("too late"))
    pair.take_all()
    assert told == ["full"]


def test_a_put_from_within_a_write_stays_in_order() -> None:
    """A transport in memory may bring an answer while it is still being written to."""

    class Transport:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def registerProducer(self, producer: TransportOutbox, streaming: bool) -> None:
            assert streaming

        def write(self, data: bytes) -> None:
            self.written.append(data)
            if data[:1] == b"x":
                outbox.put((b"answer",))

    transport = Transport()
    outbox = TransportOutbox(transport, 1 << 30)
    outbox.pauseProducing()
    outbox.put((b"x" * CHUNK,))
    outbox.put((b"behind",))
    outbox.resumeProducing()
    assert b"".join(transport.written).lstrip(b"x") == b"behindanswer"


# ---------------------------------------------------------------- paced


class PeersTcp:
    """The system's count of what the peer has not acknowledged, and a socket that takes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unacknowledged = 0
        #: What the socket takes at most; None: everything.
        self.room: int | None = None
        self.sent: list[bytes] = []
        self.looks = 0
        self.transport = FakeTransport(self)
        self.clock = a_clock()
        monkeypatch.setattr(paced_module, "ioctl", self._ioctl)

    def _ioctl(self, fileno: int, request: int, packed: bytes) -> bytes:
        assert (fileno, request) == (7, paced_module.TIOCOUTQ)
        self.looks += 1
        return struct.pack("i", self.unacknowledged)

    def fileno(self) -> int:
        return 7

    def send(self, data: bytes) -> int:
        taken = len(data) if self.room is None else min(self.room, len(data))
        if not taken:
            raise BlockingIOError
        self.sent.append(data[:taken])
        self.unacknowledged += taken
        return taken

    def acknowledges(self, seconds: float = 2 * LAST_LOOK) -> None:
        """The peer acknowledges all it got; time goes on until that is noticed."""
        self.unacknowledged = 0
        self.clock.advance(seconds)

    def outbox(self, behind: Any = None) -> PacedOutbox:
        return PacedOutbox(self.transport, LIMIT, self.clock, behind=behind)


class FakeTransport:
    """Holds what the socket did not take until `lets_go`."""

    def __init__(self, peer: PeersTcp) -> None:
        self._peer = peer
        self.held = b""
        self.producer: Any = None

    def getHandle(self) -> PeersTcp:  # noqa: N802  # Twisted's name
        return self._peer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        assert not streaming
        self.producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.held += data

    def lets_go(self) -> None:
        """The socket takes all that is held."""
        self._peer.room = None
        held, self.held = self.held, b""
        self._peer.send(held)
        self.producer.resumeProducing()


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> PeersTcp:
    return PeersTcp(monkeypatch)


def test_paced_each_frame_is_one_write(peer: PeersTcp) -> None:
    peer.outbox().put((text(10), text(20), text(30)))
    assert [len(write) for write in peer.sent] == [10, 20, 30]


def test_paced_the_next_frame_waits_while_more_than_4_kib_is_unacknowledged(
    peer: PeersTcp,
) -> None:
    outbox = peer.outbox()
    outbox.put((text(MAX_UNACKNOWLEDGED), text(5000, b"y"), text(10, b"z")))
    assert [len(write) for write in peer.sent] == [MAX_UNACKNOWLEDGED, 5000]
    peer.clock.advance(1)
    assert len(peer.sent) == 2
    assert outbox.queued == 10
    peer.acknowledges()
    assert [len(write) for write in peer.sent] == [MAX_UNACKNOWLEDGED, 5000, 10]
    assert outbox.queued == 0


def test_paced_the_bound_holds(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told = events(outbox)
    peer.unacknowledged = MAX_UNACKNOWLEDGED + 1
    outbox.put((text(LIMIT - 10),))
    outbox.put((text(10),))
    assert told == []
    outbox.put((text(10),))
    outbox.put_marked((text(10),), lambda: told.append("arrived"))
    assert told == ["full", "full"]
    peer.acknowledges()
    peer.acknowledges()
    assert sum(map(len, peer.sent)) == LIMIT
    assert "arrived" not in told


def test_paced_a_peer_that_stays_silent_is_looked_at_ever_less_often(peer: PeersTcp) -> None:
    peer.unacknowledged = MAX_UNACKNOWLEDGED + 1
    peer.outbox().put((text(10),))
    for _ in range(1000):
        peer.clock.advance(0.01)
    assert peer.looks < 10 / LAST_LOOK + 20


def test_paced_a_mark_is_reached_when_the_peer_has_acknowledged_it(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told: list[str] = []
    outbox.put_marked((text(100),), lambda: told.append("first"))
    outbox.put((text(100),))
    outbox.put_marked((text(100),), lambda: told.append("last"))
    peer.clock.advance(1)
    assert told == []
    peer.unacknowledged = 200
    peer.clock.advance(LAST_LOOK)
    assert told == ["first"]
    peer.unacknowledged = 1
    peer.clock.advance(LAST_LOOK)
    assert told == ["first"]
    peer.acknowledges()
    assert told == ["first", "last"]
    assert peer.clock.getDelayedCalls() == []


def test_paced_who_is_told_of_a_mark_can_put_more(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told: list[str] = []

    def more() -> None:
        outbox.put_marked((text(10, b"y"),), lambda: told.append("second"))

    outbox.put_marked((text(10),), more)
    peer.acknowledges()
    peer.acknowledges()
    assert told == ["second"]
    assert len(peer.sent) == 2


def test_paced_all_has_left_though_a_mark_is_not_reached_yet(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told = events(outbox)
    peer.unacknowledged = MAX_UNACKNOWLEDGED + 1
    outbox.put_marked((text(100),), lambda: told.append("arrived"))
    peer.unacknowledged = 1
    peer.clock.advance(LAST_LOOK)
    assert told == ["drained"]
    peer.acknowledges()
    assert told == ["drained", "arrived"]


def test_paced_it_is_finished_though_a_mark_is_not_reached_yet(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told = events(outbox)
    peer.unacknowledged = MAX_UNACKNOWLEDGED + 1
    outbox.put_marked((text(100),), lambda: told.append("arrived"))
    outbox.finish(lambda: told.append("done"))
    assert told == []
    peer.unacknowledged = 1
    peer.clock.advance(LAST_LOOK)
    assert told == ["done"]


def test_paced_behind_a_frame_that_left_in_part_nothing_follows_until_its_rest_has_left(
    peer: PeersTcp,
) -> None:
    outbox = peer.outbox()
    told = events(outbox)
    peer.room = 60
    outbox.put_marked((text(100),), lambda: told.append("arrived"))
    outbox.put((text(10, b"y"),))
    peer.room = None
    peer.acknowledges()
    assert [len(write) for write in peer.sent] == [60]
    assert told == []
    peer.transport.lets_go()
    assert [len(write) for write in peer.sent] == [60, 40, 10]
    peer.acknowledges()
    assert sorted(told) == ["arrived", "drained"]
    assert frames(b"".join(peer.sent)) == [text(100)[4:], text(10, b"y")[4:]]


def test_paced_cutting_short_keeps_the_rest_of_a_frame_that_left_in_part(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told: list[str] = []
    peer.room = 60
    outbox.put_marked((text(100),), lambda: told.append("half gone"))
    outbox.put_marked((text(10, b"y"),), lambda: told.append("forgotten"))
    outbox.cut_short((text(1000, b"l"),))
    peer.transport.lets_go()
    peer.acknowledges()
    assert [payload[:1] for payload in frames(b"".join(peer.sent))] == [b"x", b"l"]
    assert told == ["half gone"]
    assert peer.clock.getDelayedCalls() == []


def test_paced_what_waited_before_leaves_first(peer: PeersTcp) -> None:
    before = DirectOutbox(peer.transport, LIMIT)
    peer.room = 60
    before.put((text(100, b"a"),))
    before.put((text(10, b"b"),))
    peer.transport.unregisterProducer()
    outbox = peer.outbox(behind=before)
    told = events(outbox)
    outbox.put((text(10, b"c"),))
    peer.acknowledges()
    assert len(peer.sent) == 1
    peer.transport.lets_go()
    peer.acknowledges()
    arrived = frames(b"".join(peer.sent))
    assert [payload[:1] for payload in arrived] == [b"a", b"b", b"c"]
    assert told == ["drained"]


def test_paced_once_dropped_nothing_is_looked_at_any_more(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    told = events(outbox)
    outbox.put_marked((text(100),), lambda: told.append("arrived"))
    outbox.put_marked((text(100),), outbox.drop)
    peer.acknowledges()
    assert told == ["drained", "drained", "arrived"]
    assert peer.clock.getDelayedCalls() == []


def test_paced_a_transport_that_stops_is_the_end_of_it(peer: PeersTcp) -> None:
    outbox = peer.outbox()
    outbox.put_marked((text(100),), lambda: pytest.fail("it never arrived"))
    outbox.stopProducing()
    peer.acknowledges()
    assert peer.clock.getDelayedCalls() == []


def no_such_request(*_: object) -> bytes:
    raise OSError("not a terminal")


@pytest.mark.parametrize(("name", "value"), [("TIOCOUTQ", None), ("ioctl", no_such_request)])
def test_paced_where_the_system_does_not_count_frames_just_leave(
    peer: PeersTcp, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(paced_module, name, value)
    told: list[str] = []
    peer.outbox().put_marked((text(5000), text(5000)), lambda: told.append("arrived"))
    assert (len(peer.sent), told) == (2, ["arrived"])


@pytest.mark.skipif(paced_module.TIOCOUTQ is None, reason="the system does not count")
@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux counts for sockets")
def test_paced_on_a_real_socket_a_mark_waits_for_the_reader() -> None:
    clock = a_clock()
    pair = Pair(clock)
    told: list[str] = []
    PacedOutbox(pair.transport, LIMIT, clock).put_marked((text(100),), lambda: told.append("read"))
    clock.advance(1)
    assert told == []
    assert len(pair.take()) == 100
    clock.advance(LAST_LOOK)
    assert told == ["read"]
    pair.close()
