"""The door for TCP: frames however they are cut, and what can't be framed ends one connection."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from twisted.internet.protocol import Factory
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory

from chatroom.common.counters import Count
from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import TransportOutbox
from chatroom.delivery.paced import PacedOutbox
from chatroom.limits.connections import ConnectionLimit
from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import MAX_FRAME, MAX_FRAME_BEFORE_LOGIN, Code, Message
from chatroom.sessions.session import CLOSE_TIMEOUT
from chatroom.transports.sockets import KEEPALIVE
from chatroom.transports.tcp import ChatFactory
from tests.certificates import Issued
from tests.sockets import Peer, SocketPeer
from tests.wire import framed, frames
from tests.world import World, kinds, private, sms

Connect = Callable[[], SocketPeer]


@pytest.fixture
def factory(world: World) -> ChatFactory:
    return ChatFactory(world.node())


@pytest.fixture
def connect(world: World, factory: ChatFactory) -> Iterator[Connect]:
    """Makes clients on real sockets."""
    peers: list[SocketPeer] = []

    def make() -> SocketPeer:
        peers.append(SocketPeer(factory, world.clock))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def member(world: World, factory: ChatFactory, user_id: int, dialect: int = 2) -> Peer:
    """A client that is logged in, and has read what came with that."""
    peer = Peer(factory)
    peer.says(world.login(user_id, dialect=dialect))
    world.wait(0.5)
    assert kinds(peer.takes())[0] == "LoginResMes"
    return peer


def socket_member(world: World, connect: Connect, user_id: int, dialect: int) -> SocketPeer:
    peer = connect()
    peer.says(world.login(user_id, dialect=dialect))
    world.wait(0.5)
    assert kinds(peer.takes())[0] == "LoginResMes"
    return peer


def errors(messages: list[Message]) -> list[int]:
    """The codes of messages that are all errors."""
    found = []
    for message in messages:
        assert isinstance(message, wire.ErrorMes)
        found.append(message.code)
    return found


#: Answered in the same turn; registering makes reading pause meanwhile.
TOO_SHORT = wire.RegisterMes(user=wire.User(user_id=7, user_pwd="x", user_name="a"))
QUICK = (wire.PingMes(), TOO_SHORT, wire.PongMes(), TOO_SHORT, sms("not logged in"), wire.PingMes())
ANSWERS = ["PongMes", "RegisterResMes", "RegisterResMes", "ErrorMes", "PongMes"]


# ---------------------------------------------------------------- frames


def test_frames_that_come_together_are_answered_in_order(factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.says(*QUICK)
    assert kinds(peer.takes()) == ANSWERS


def test_frames_are_found_wherever_the_stream_is_cut_in_two(factory: ChatFactory) -> None:
    data = framed(*QUICK)
    for cut in range(len(data)):
        peer = Peer(factory)
        peer.sends(data[:cut])
        peer.sends(data[cut:])
        assert kinds(peer.takes()) == ANSWERS


def test_frames_behind_a_login_wait_for_its_answer(world: World, factory: ChatFactory) -> None:
    other = member(world, factory, 2)
    peer = Peer(factory)
    peer.says(world.login(1), wire.PingMes(), *(sms(f"{n}", f"id{n}") for n in range(5)))
    assert peer.transport.producerState == "paused"
    assert peer.takes() == []
    world.wait(0.5)
    assert kinds(peer.takes())[:2] == ["LoginResMes", "PongMes"]
    said = [message.content for message in other.takes() if isinstance(message, wire.SmsMes)]
    assert said == ["0", "1", "2", "3", "4"]


def test_what_comes_while_reading_is_paused_waits_its_turn(
    world: World, factory: ChatFactory
) -> None:
    peer = Peer(factory)
    peer.says(world.login(1), wire.HistoryMes())
    peer.says(wire.PingMes())
    world.wait(0.5)
    assert kinds(peer.takes()) == ["LoginResMes", "HistoryResMes", "PongMes"]
    assert peer.transport.producerState == "producing"


def test_no_frame_is_handled_twice_when_reading_pauses_at_every_frame(
    world: World, factory: ChatFactory
) -> None:
    peer = member(world, factory, 1)
    asked = [wire.HistoryMes(limit=n) for n in range(1, 20)]
    peer.says(*asked)
    world.settle()
    answers = [message for message in peer.takes() if isinstance(message, wire.HistoryResMes)]
    assert [answer.limit for answer in answers] == list(range(1, 20))


def test_a_frame_after_the_login_may_be_larger(world: World, factory: ChatFactory) -> None:
    peer = Peer(factory)
    long = sms("😀" * wire.MAX_CONTENT, "long")
    assert MAX_FRAME_BEFORE_LOGIN < len(codec.encode(long)) < MAX_FRAME
    peer.says(world.login(1), long)
    world.wait(0.5)
    assert kinds(peer.takes()) == ["LoginResMes", "AckMes"]


def test_what_the_operator_allows_bounds_both(world: World) -> None:
    factory = ChatFactory(world.node(), max_frame=1000)
    before, after = Peer(factory), member(world, factory, 1)
    for peer in (before, after):
        peer.sends(struct.pack("!I", 1001))
        assert errors(peer.takes()) == [Code.TOO_LARGE]


# ---------------------------------------------------------------- what can't be framed


def test_a_frame_of_the_greatest_length_is_taken(factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.sends(codec.frame(codec.encode(wire.PingMes()).ljust(MAX_FRAME_BEFORE_LOGIN)))
    assert kinds(peer.takes()) == ["PongMes"]


@pytest.mark.parametrize(
    "behind",
    [framed(wire.PingMes()), codec.frame(b"{nope"), b"\xff\xff\xff\xff", b"\x00\x00"],
    ids=["good", "bad", "too_long", "a_part"],
)
def test_what_is_buffered_behind_a_frame_that_closes_is_ignored(
    factory: ChatFactory, behind: bytes
) -> None:
    peer = Peer(factory)
    peer.sends(codec.frame(b"{nope") + behind)
    peer.sends(behind)
    assert errors(peer.takes()) == [Code.MALFORMED]


def test_each_further_piece_of_a_frame_that_is_too_long_is_ignored(factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.sends(b"\xff\xff\xff\xff")
    for _ in range(100):
        peer.sends(b"x" * 1000)
    assert errors(peer.takes()) == [Code.TOO_LARGE]


def test_what_is_buffered_behind_a_logout_is_ignored(world: World, factory: ChatFactory) -> None:
    peer, other = member(world, factory, 1), member(world, factory, 2)
    world.wait(0.5)
    other.takes()
    peer.says(wire.LogoutMes(), sms("too late"))
    world.wait(0.5)
    assert peer.closed
    assert "SmsMes" not in kinds(other.takes())


def test_a_client_that_is_refused_and_stays_is_cut_off(world: World, factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.sends(b"\xff\xff\xff\xff")
    assert not peer.transport.disconnected
    world.wait(CLOSE_TIMEOUT + 0.1)
    assert peer.transport.disconnected


def test_a_connection_that_is_gone_is_not_aborted_once_more(factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.leaves()
    peer.protocol.abort()
    assert not peer.transport.disconnected


def test_nothing_is_taken_from_a_connection_that_is_gone(factory: ChatFactory) -> None:
    peer = Peer(factory)
    peer.leaves()
    peer.says(wire.PingMes())
    assert peer.takes() == []


# ---------------------------------------------------------------- real sockets


def test_what_is_sent_leaves_without_delay_and_a_vanished_peer_is_noticed(
    connect: Connect,
) -> None:
    handle = connect().transport.getHandle()
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            assert handle.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted's own
def test_through_tls_too_a_vanished_peer_is_noticed(world: World, factory: ChatFactory) -> None:
    options: Any = PrivateCertificate.loadPEM(Issued.make("localhost").pem).options()
    clock: Any = world.clock
    around: Any = TLSMemoryBIOFactory(options, False, cast(Any, factory), clock)
    with socket.socket() as handle:
        peer = Peer(around, handle=handle)
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        tls: Any = peer.protocol
        assert isinstance(tls.wrappedProtocol.outbox, TransportOutbox)


def test_where_the_system_has_no_such_options_it_goes_without(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KEEPALIVE, "TCP_OF_ANOTHER_SYSTEM", 1)
    peer = connect()
    peer.says(wire.PingMes())
    assert kinds(peer.takes()) == ["PongMes"]


def test_a_unix_socket_has_no_tcp_to_tune(factory: ChatFactory) -> None:
    near, far = socket.socketpair()
    peer = Peer(factory, handle=near)
    peer.says(wire.PingMes())
    assert [codec.decode(payload) for payload in frames(far.recv(1000))] == [wire.PongMes()]
    near.close()
    far.close()


def test_where_the_socket_is_not_ours_the_transport_writes(factory: ChatFactory) -> None:
    """So it is with TLS, whose handle is OpenSSL's."""
    peer = Peer(factory, handle=object())
    peer.says(wire.PingMes())
    assert isinstance(peer.protocol.outbox, TransportOutbox)
    assert peer.takes() == [wire.PongMes()]


@pytest.mark.parametrize(("dialect", "way"), [(1, PacedOutbox), (2, DirectOutbox)])
def test_people_talk_over_real_sockets(
    world: World, connect: Connect, dialect: int, way: type
) -> None:
    one, two = (socket_member(world, connect, user_id, dialect) for user_id in (1, 2))
    assert isinstance(one.protocol.outbox, way)
    one.says(sms("hello"), private(2, "secretly"))
    world.wait(0.5)
    said = [message.content for message in two.takes() if isinstance(message, wire.Text)]
    assert sorted(said) == sorted(["hello", "[私聊] secretly" if dialect == 1 else "secretly"])


def test_what_an_original_client_asked_before_its_login_is_answered_before_it(
    world: World, connect: Connect
) -> None:
    peer = connect()
    peer.says(wire.PingMes(), world.login(1, dialect=1))
    world.wait(0.5)
    assert kinds(peer.takes()) == ["PongMes", "LoginResMes"]


def test_what_waited_for_an_original_client_is_received_when_its_tcp_has_it(
    world: World, connect: Connect
) -> None:
    sender = world.member(2)
    world.account(1)
    sender.says(private(1, "while you were away"))
    world.settle()
    peer = socket_member(world, connect, 1, 1)
    # The system's answer to what was sent comes when it likes.
    for _ in range(10_000):
        world.wait(0.1)
        if world.backend.mailbox(1).received == world.mailbox(1)[-1]:
            break
    else:
        pytest.fail("it never counted as received")
    assert peer.takes() == []


@pytest.mark.parametrize("dialect", [1, 2])
def test_the_last_word_arrives_before_the_connection_closes(
    world: World, connect: Connect, dialect: int
) -> None:
    peer = socket_member(world, connect, 1, dialect)
    peer.far.sendall(b"\xff\xff\xff\xff")
    peer.turn()
    assert kinds(peer.takes()) == ["SmsMes" if dialect == 1 else "ErrorMes"]
    assert peer.closed


def test_a_client_that_reads_too_slowly_gets_whole_frames_and_is_told_why(
    world: World, connect: Connect
) -> None:
    slow, busy = socket_member(world, connect, 1, 2), world.member(2)
    received = b""
    for number in range(600):
        busy.says(sms("😀" * wire.MAX_CONTENT, f"id{number}"))
        world.settle()
        if slow.protocol.session.closed:
            break
    else:
        pytest.fail("what waits for it has no bound")
    slow.turn()
    while not slow.closed:
        received += slow.far.recv(1 << 20)
        slow.turn()
    try:
        while piece := slow.far.recv(1 << 20):
            received += piece
    except BlockingIOError:
        pass
    arrived = [codec.decode(payload) for payload in frames(received)]
    last = arrived.pop()
    assert isinstance(last, wire.ErrorMes)
    assert (last.code, last.reconnect) == (Code.CLOSED, True)
    assert set(kinds(arrived)) == {"SmsMes", "PresenceMes"}


def test_an_aborted_connection_is_gone_at_once(world: World, connect: Connect) -> None:
    peer = socket_member(world, connect, 1, 1)
    peer.protocol.abort()
    world.settle()
    assert peer.closed
    assert world.node().sessions.all() == []


def test_the_factory_is_quiet() -> None:
    assert issubclass(ChatFactory, Factory)
    assert not ChatFactory.noisy


# ---------------------------------------------------------------- strangers and scanners


@pytest.mark.parametrize(
    ("data", "counted"),
    [
        (b"GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n", Count.OTHER_PROTOCOL),
        (b"POST /", Count.OTHER_PROTOCOL),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Count.OTHER_PROTOCOL),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Count.OTHER_PROTOCOL),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Count.OTHER_PROTOCOL),
        (struct.pack("!I", MAX_FRAME_BEFORE_LOGIN + 1), Count.TOO_LONG),
        (b"\x7f\xff\xff\xff", Count.TOO_LONG),
        (b"\x80\x00\x00\x00", Count.TOO_LONG),
        (b"\xff\xff\xff\xff", Count.TOO_LONG),
        (b"\r\n\r\n", Count.TOO_LONG),
        (b"\x00\x00\x00\x00", Count.MALFORMED),
        (codec.frame(b"{nope"), Count.MALFORMED),
        (codec.frame(b"[1]"), Count.MALFORMED),
        (codec.frame(b'{"type":"SmsMes","data":{}}'), Count.MALFORMED),
        (codec.frame(b"\xff" * 10), Count.MALFORMED),
        (codec.frame(b"\xef\xbb\xbf" + codec.encode(wire.PingMes())), Count.MALFORMED),
        (codec.frame(b'{"type":NaN}'), Count.MALFORMED),
        (codec.frame(b'{"type":"PingMes","data":1e400}'), Count.MALFORMED),
        (codec.frame(b"[" * 4000), Count.MALFORMED),
        (codec.frame(b'{"type":"\xff"}'), Count.MALFORMED),
    ],
)
def test_what_is_no_message_is_told_once_counted_once_and_closed(
    world: World, factory: ChatFactory, data: bytes, counted: Count
) -> None:
    peer = Peer(factory)
    peer.sends(data)
    peer.sends(data)
    malformed = counted is Count.MALFORMED
    assert errors(peer.takes()) == [Code.MALFORMED if malformed else Code.TOO_LARGE]
    assert peer.closed
    assert world.node().counters == {counted: 1}


@pytest.mark.parametrize(
    "data",
    [
        '{"content":"\\ud800"}',
        '{"content":"","userId":1' + "0" * 400 + "}",
        '{"content":"","userId":1e400}',
        '{"content":"","userId":NaN}',
        '{"content":"","userId":-Infinity}',
        '{"content":"\\u0000"}',
        '{"content":"","x":' + "[" * 60_000,
        '\ufeff{"content":""}',
    ],
)
def test_a_message_that_is_none_costs_a_member_that_message_only(
    world: World, factory: ChatFactory, data: str
) -> None:
    peer = member(world, factory, 1)
    peer.sends(codec.frame(json.dumps({"type": "SmsMes", "data": data}).encode()))
    peer.says(wire.PingMes())
    assert kinds(peer.takes()) == ["ErrorMes", "PongMes"]
    assert not peer.closed
    assert world.node().counters == {Count.MALFORMED: 1}


def test_a_connection_too_many_is_told_why_and_closed(world: World, connect: Connect) -> None:
    world.node().connection_limit = ConnectionLimit(world.clock, per_address=1)
    first, second = connect(), connect()
    [error] = second.takes()
    assert isinstance(error, wire.ErrorMes)
    assert (error.code, error.retry_after) == (Code.TOO_FAST, 10)
    assert second.closed
    assert world.node().counters == {Count.CONNECTIONS_REFUSED: 1}
    first.says(wire.PingMes())
    assert kinds(first.takes()) == ["PongMes"]
    first.close()
    third = connect()
    third.says(wire.PingMes())
    assert kinds(third.takes()) == ["PongMes"]
