"""The door for WebSocket: who may come in, and that what leaves is a stream as RFC 6455 has it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from twisted.internet.defer import ensureDeferred

from chatroom.common.counters import Count
from chatroom.limits.connections import ConnectionLimit
from chatroom.limits.rate import RateLimits
from chatroom.protocol import codec, messages as wire
from chatroom.protocol.dialects import Blob, Dialect2
from chatroom.protocol.messages import MAX_FRAME_BEFORE_LOGIN, Code, Message
from chatroom.sessions.session import CLOSE_TIMEOUT
from chatroom.transports.web.site import Site
from chatroom.transports.web.websocket import MAX_FRAGMENTS, WEBSOCKET, text_frame
from tests.transports.web.browser import (
    ACCEPT,
    BINARY,
    CLOSE,
    KEY,
    ORIGIN,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    Frame,
    Tab,
    frame_bytes,
    parse_frames,
    parse_response,
    request_bytes,
    said,
)
from tests.transports.web.test_api import log_in
from tests.transports.web.test_site import check_headers
from tests.world import PASSWORD, World, kinds, sms

Connect = Callable[..., Tab]
PING_MES = codec.encode(wire.PingMes())


def logged_in(world: World, tab: Tab, user_id: int = 1) -> Tab:
    """A WebSocket that was logged in by its cookie, and has read what came with that."""
    log_in(world, tab, user_id)
    tab.opens().says(wire.LoginMes(user_id=user_id, protocol=2))
    world.wait(0.5)
    first = tab.takes()[0]
    assert isinstance(first, wire.LoginResMes)
    assert first.code == Code.OK
    return tab


def closing(frames: list[Frame]) -> tuple[list[int], int]:
    """The codes of the errors that came, and that of the close frame behind them."""
    *errors, last = frames
    assert last.opcode == CLOSE
    codes = []
    for frame in errors:
        assert isinstance(frame.message, wire.ErrorMes)
        codes.append(frame.message.code)
    return codes, struct.unpack("!H", last.payload)[0]


# ---------------------------------------------------------------- coming in


@pytest.mark.parametrize(
    ("key", "accept"), [(KEY, ACCEPT), ("MDEyMzQ1Njc4OWFiY2RlZg==", "BACScCJPNqyz+UBoqMH89VmURoA=")]
)
def test_the_handshake_is_as_the_rfc_has_it(tab: Tab, key: str, accept: str) -> None:
    response = tab.upgrades(Sec_WebSocket_Key=key)
    assert response.code == 101
    assert response["Upgrade"].lower() == "websocket"
    assert response["Connection"] == "Upgrade"
    assert response["Sec-WebSocket-Accept"] == accept
    # To compress for each would be the end of encoding once for all.
    assert "Sec-WebSocket-Extensions" not in response
    assert "Server" not in response


def test_the_cookie_logs_in_and_the_token_stays_out_of_reach(world: World, tab: Tab) -> None:
    log_in(world, tab)
    tab.opens().says(wire.LoginMes(user_id=1, protocol=2))
    world.settle()
    [frame] = tab.frames()
    answer = frame.message
    assert isinstance(answer, wire.LoginResMes)
    assert (answer.code, answer.user_name) == (Code.OK, "user 1")
    assert not answer.token
    assert tab.cookie.partition(".")[2].encode() not in frame.payload


def test_a_login_by_cookie_replaces_no_token(world: World, tab: Tab) -> None:
    tokens = set(world.backend.tokens)
    logged_in(world, tab)
    assert len(set(world.backend.tokens) - tokens) == 1


@pytest.mark.parametrize("cookie", ["chatroom=1.guessed", "chatroom=2.{token}"])
def test_a_cookie_that_is_not_good_logs_nobody_in(
    world: World, tab: Tab, site: Site, cookie: str
) -> None:
    log_in(world, tab, 2)
    world.account(1)
    other = Tab(site).opens(Cookie=cookie.format(token=tab.cookie.partition(".")[2]))
    other.says(wire.LoginMes(user_id=1, protocol=2))
    world.settle()
    [answer] = other.takes()
    assert isinstance(answer, wire.LoginResMes)
    assert answer.code == Code.WRONG_PASSWORD


def test_a_program_logs_in_by_password_and_then_by_the_token_that_it_got(
    world: World, site: Site
) -> None:
    """It says of no page where it comes from, and has no cookie."""
    program = Tab(site)
    program.sends(request_bytes("GET", "/ws", UPGRADE))
    assert program.takes_answer().code == 101
    program.says(world.login(1))
    world.settle()
    [answer] = program.takes()
    assert isinstance(answer, wire.LoginResMes)
    assert answer.token
    again = Tab(site).opens()
    again.says(wire.LoginMes(user_id=1, token=answer.token, protocol=2))
    world.settle()
    [answer] = again.takes()
    assert isinstance(answer, wire.LoginResMes)
    assert answer.code == Code.OK


def test_a_password_counts_more_than_a_cookie(world: World, tab: Tab) -> None:
    log_in(world, tab, 1)
    tab.opens().says(world.login(2))
    world.settle()
    [answer] = tab.takes()
    assert isinstance(answer, wire.LoginResMes)
    assert (answer.code, answer.user_name) == (Code.OK, "user 2")


def test_dialect_1_is_refused(world: World, tab: Tab) -> None:
    tab.opens().says(world.login(1, dialect=1), wire.PingMes())
    world.settle()
    answer, pong = tab.takes()
    assert isinstance(answer, wire.LoginResMes)
    assert answer.code == Code.MALFORMED
    assert isinstance(pong, wire.PongMes)


@pytest.mark.parametrize("origin", ["https://evil.example", "https://chat.example", "null", ""])
def test_another_sites_page_gets_no_websocket(world: World, tab: Tab, origin: str) -> None:
    log_in(world, tab)
    response = tab.upgrades(Origin=origin)
    assert response.code == 403
    check_headers(response)
    assert world.node().sessions.all() == []


def test_a_cookie_with_no_word_of_the_page_gets_none(world: World, tab: Tab, site: Site) -> None:
    log_in(world, tab)
    other = Tab(site)
    other.sends(request_bytes("GET", "/ws", UPGRADE | {"Cookie": tab.cookie}))
    assert other.takes_answer().code == 403


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("Upgrade", "h2c", 426),
        ("Connection", "close", 426),
        ("Sec-WebSocket-Version", "8", 426),
        ("Sec-WebSocket-Version", "", 426),
        ("Sec-WebSocket-Key", "", 400),
        ("Sec-WebSocket-Key", "short==", 400),
        ("Sec-WebSocket-Key", "!" * 22 + "==", 400),
    ],
)
def test_what_is_no_handshake_is_refused(tab: Tab, header: str, value: str, code: int) -> None:
    response = tab.upgrades(**{header.replace("-", "_"): value})
    assert response.code == code
    check_headers(response)
    if header == "Sec-WebSocket-Version":
        assert response["Sec-WebSocket-Version"] == "13"


def test_where_it_comes_from_is_what_a_trusted_proxy_says(
    world: World, make_site: Callable[..., Site]
) -> None:
    for trusted, address in (("192.0.2.1", "203.0.113.5"), ("192.0.2.2", "192.0.2.1")):
        Tab(make_site(trusted=trusted)).opens(X_Forwarded_For="10.9.8.7, 203.0.113.5")
        assert world.node().sessions.all()[-1].address == address


def test_frames_that_come_with_the_handshake_are_not_lost(tab: Tab) -> None:
    headers = {"Origin": ORIGIN} | UPGRADE
    tab.sends(request_bytes("GET", "/ws", headers) + said(wire.PingMes()))
    _, _, rest = tab.data().partition(b"\r\n\r\n")
    assert [frame.message for frame in parse_frames(rest)] == [wire.PongMes()]


def test_a_connection_that_became_a_websocket_does_not_time_out_as_a_request(
    world: World, tab: Tab
) -> None:
    logged_in(world, tab)
    for _ in range(10):
        world.wait(20, 1)
        tab.says(wire.PongMes())
    assert not tab.closed


def test_what_comes_with_the_handshake_from_a_banned_address_is_not_done(
    world: World, tab: Tab
) -> None:
    world.run(world.store().ban_addresses("192.0.2.0/24", seconds=0, reason="scans"))
    user = wire.User(user_id=7, user_pwd=PASSWORD, user_name="lime")
    tab.sends(request_bytes("GET", "/ws", UPGRADE) + said(wire.RegisterMes(user=user)))
    world.settle()
    response, rest = parse_response(tab.data())
    assert response.code == 101
    *frames, last = parse_frames(rest)
    assert all(b"403" in frame.payload for frame in frames)
    assert last.opcode == CLOSE
    assert 7 not in world.backend.accounts


# ---------------------------------------------------------------- talking


def test_a_message_to_the_room_is_encoded_once_for_all_browsers(
    world: World, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tabs = [logged_in(world, Tab(site), user_id) for user_id in range(1, 6)]
    speaker = world.member(9)
    world.wait(0.5)
    for tab in tabs:
        tab.takes()
    encoded: list[Message] = []
    real = Dialect2.encode

    def encode(self: Dialect2, messages: list[Message]) -> Blob:
        if self is WEBSOCKET:
            encoded.extend(messages)
        return real(self, messages)

    monkeypatch.setattr(Dialect2, "encode", encode)
    speaker.says(sms("once", "id"))
    world.settle()
    assert kinds(encoded) == ["SmsMes"]
    for tab in tabs:
        assert kinds(tab.takes()) == ["SmsMes"]


def test_a_page_comes_back_where_it_was(world: World, tab: Tab, site: Site) -> None:
    logged_in(world, tab)
    speaker = world.member(2)
    speaker.says(sms("one", "a"))
    world.wait(0.5)
    texts = [message for message in tab.takes() if isinstance(message, wire.Text)]
    assert [text.content for text in texts] == ["one"]
    tab.leaves()
    speaker.says(sms("two", "b"))
    world.wait(0.5)
    back = Tab(site)
    back.cookie = tab.cookie
    resume = wire.Resume(rooms={wire.LOBBY: str(texts[0].seq)})
    back.opens().says(wire.LoginMes(user_id=1, protocol=2, resume=resume))
    world.wait(0.5)
    assert [message.content for message in back.takes() if isinstance(message, wire.Text)] == [
        "two"
    ]


def test_frames_behind_a_login_wait_for_its_answer(world: World, tab: Tab) -> None:
    log_in(world, tab)
    tab.opens().says(wire.LoginMes(user_id=1, protocol=2), wire.PingMes(), wire.HistoryMes())
    assert tab.transport.producerState == "paused"
    assert tab.takes() == []
    tab.says(wire.PingMes())
    world.wait(0.5)
    assert kinds(tab.takes()) == ["LoginResMes", "PongMes", "HistoryResMes", "PongMes"]
    assert tab.transport.producerState == "producing"


def test_messages_are_found_wherever_the_stream_is_cut(site: Site) -> None:
    data = said(wire.PingMes()) + frame_bytes(PING, b"x") + said(wire.PingMes(), wire.PongMes())
    for cut in range(len(data)):
        tab = Tab(site).opens()
        tab.sends(data[:cut])
        tab.sends(data[cut:])
        assert [frame.opcode for frame in tab.frames()] == [TEXT, PONG, TEXT]
        tab.leaves()


def test_a_message_may_come_in_several_frames_with_a_ping_in_between(tab: Tab) -> None:
    tab.opens().sends(
        frame_bytes(TEXT, PING_MES[:5], fin=False)
        + frame_bytes(PING, b"are you there")
        + frame_bytes(0, PING_MES[5:-1], fin=False)
        + frame_bytes(0, PING_MES[-1:])
    )
    pong, answer = tab.frames()
    assert (pong.opcode, pong.payload) == (PONG, b"are you there")
    assert answer.message == wire.PongMes()


def test_after_the_login_a_message_may_be_larger(world: World, tab: Tab) -> None:
    long = sms("😀" * wire.MAX_CONTENT, "long")
    assert len(codec.encode(long)) > MAX_FRAME_BEFORE_LOGIN
    logged_in(world, tab).says(long)
    world.settle()
    assert kinds(tab.takes()) == ["AckMes"]


@pytest.mark.parametrize("size", [0, 125, 126, 127, 65535, 65536, 1 << 20])
def test_frames_of_all_lengths_are_written_as_they_must_be(size: int) -> None:
    payload = b"x" * size
    assert list(parse_frames(text_frame(payload))) == [Frame(TEXT, payload)]


# ---------------------------------------------------------------- what must not be


def test_a_message_that_is_too_long_is_refused_when_it_is_announced(world: World, tab: Tab) -> None:
    whole = frame_bytes(TEXT, b"x" * (MAX_FRAME_BEFORE_LOGIN + 1))
    tab.opens().sends(whole[:14])
    assert closing(tab.frames()) == ([Code.TOO_LARGE], 1009)
    # It listens once it has sent all, and then says goodbye.
    tab.sends(whole[14:] + frame_bytes(CLOSE, struct.pack("!H", 1009)))
    assert tab.closed
    assert tab.data() == b""


def test_a_message_of_the_greatest_length_is_taken(tab: Tab) -> None:
    tab.opens().sends(frame_bytes(TEXT, PING_MES.ljust(MAX_FRAME_BEFORE_LOGIN)))
    assert kinds(tab.takes()) == ["PongMes"]


def test_what_the_operator_allows_bounds_a_member(
    world: World, make_site: Callable[..., Site]
) -> None:
    tab = logged_in(world, Tab(make_site(max_frame=10_000)))
    tab.sends(frame_bytes(TEXT, b"x" * 10_001))
    assert closing(tab.frames()) == ([Code.TOO_LARGE], 1009)


def test_a_message_in_pieces_is_not_too_long_in_none_of_them(tab: Tab) -> None:
    tab.opens().sends(frame_bytes(TEXT, b"x" * 3000, fin=False))
    assert tab.frames() == []
    tab.sends(frame_bytes(0, b"x" * 3000, fin=False))
    assert closing(tab.frames()) == ([Code.TOO_LARGE], 1009)


def test_pieces_of_nothing_are_counted(tab: Tab) -> None:
    tab.opens().sends(frame_bytes(TEXT, fin=False) + frame_bytes(0, fin=False) * MAX_FRAGMENTS)
    assert closing(tab.frames()) == ([Code.MALFORMED], 1008)
    tab.sends(frame_bytes(0, fin=False) * 1000)
    assert tab.frames() == []


def test_a_binary_message_is_refused(world: World, tab: Tab) -> None:
    tab.opens().sends(frame_bytes(BINARY, PING_MES))
    frames = tab.frames()
    assert closing(frames) == ([Code.MALFORMED], 1003)
    error = frames[0].message
    assert isinstance(error, wire.ErrorMes)
    assert "messages are text" in error.error
    assert world.node().counters == {Count.MALFORMED: 1}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame_bytes(TEXT, b'{"type": "\xff'), 1007),
        (frame_bytes(TEXT, "好".encode()[:2]), 1007),
        (frame_bytes(TEXT, b"\xed\xa0\x80"), 1007),
        (frame_bytes(TEXT, PING_MES, mask=b""), 1002),
        (b"\xc1" + frame_bytes(TEXT, PING_MES)[1:], 1002),
        (frame_bytes(3, b"x"), 1002),
        (frame_bytes(11), 1002),
        (frame_bytes(0, PING_MES), 1002),
        (frame_bytes(TEXT, b"x", fin=False) + frame_bytes(TEXT, b"x"), 1002),
        (frame_bytes(PING, b"x", fin=False), 1002),
        (frame_bytes(PING, b"x" * 126), 1002),
        (b"\x81\xfe\x00\x05mask", 1002),
        (b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05mask", 1002),
        (frame_bytes(CLOSE, b"x"), 1002),
        (frame_bytes(CLOSE, struct.pack("!H", 1005)), 1002),
        (frame_bytes(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    ],
    ids=[
        *("utf8", "cut", "surrogate", "unmasked", "extension", "opcode", "control_opcode"),
        *("continues_nothing", "starts_twice", "cut_ping", "long_ping", "long_form"),
        *("longer_form", "close_1", "close_code", "close_reason"),
    ],
)
def test_what_the_rfc_forbids_gets_an_error_and_a_close(tab: Tab, data: bytes, why: int) -> None:
    tab.opens().sends(data + frame_bytes(TEXT, PING_MES))
    assert closing(tab.frames()) == ([Code.MALFORMED], why)


def test_what_is_no_message_gets_an_error_and_a_close(tab: Tab) -> None:
    tab.opens().sends(frame_bytes(TEXT, b"{nope") + said(wire.PingMes()))
    assert closing(tab.frames()) == ([Code.MALFORMED], 1000)


def test_bad_input_costs_nobody_else_anything(world: World, tab: Tab, site: Site) -> None:
    good, bad = logged_in(world, tab, 1), logged_in(world, Tab(site), 2)
    bad.sends(b"\xff" * 100)
    good.says(wire.PingMes())
    assert "PongMes" in kinds(good.takes())


# ---------------------------------------------------------------- pings and closing


def test_a_ping_is_answered_with_what_it_brought(tab: Tab) -> None:
    tab.opens().sends(frame_bytes(PING, b"12345") + frame_bytes(PONG, b"nobody asked"))
    assert tab.frames() == [Frame(PONG, b"12345")]


def test_a_ping_says_that_the_client_lives(world: World, tab: Tab) -> None:
    logged_in(world, tab)
    for _ in range(10):
        world.wait(50, 5)
        tab.sends(frame_bytes(PING))
    assert not tab.closed
    world.wait(90, 5)
    assert tab.frames()[-1].opcode == CLOSE


@pytest.mark.parametrize("kind", [PING, PONG])
def test_a_flood_of_pings_is_one_like_any_other(world: World, tab: Tab, kind: int) -> None:
    world.node().rate_limits = RateLimits(byte_rate=1000, max_frame=4096)
    logged_in(world, tab).sends(frame_bytes(kind) * 5000)
    frames = tab.frames()
    assert sum(frame.opcode == PONG for frame in frames) <= 4096 // 30
    *_, last = [frame.message for frame in frames if frame.opcode == TEXT]
    assert isinstance(last, wire.ErrorMes)
    assert last.code == Code.TOO_FAST
    assert frames[-1].opcode == CLOSE
    assert world.node().sessions.all() == []


def test_a_client_that_closes_is_answered_and_hung_up_on(world: World, tab: Tab) -> None:
    logged_in(world, tab).sends(frame_bytes(CLOSE, struct.pack("!H", 1001) + b"bye"))
    assert tab.frames() == [Frame(CLOSE, struct.pack("!H", 1000))]
    assert tab.closed
    assert world.node().sessions.all() == []


def test_nothing_is_taken_behind_a_close(world: World, tab: Tab) -> None:
    reader = world.member(2)
    logged_in(world, tab).sends(frame_bytes(CLOSE) + said(sms("too late", "id")))
    tab.says(sms("too late", "id"))
    world.wait(0.5)
    assert reader.texts() == []


def test_after_a_logout_the_server_closes_and_waits_for_the_answer(world: World, tab: Tab) -> None:
    logged_in(world, tab).says(wire.LogoutMes(), sms("too late", "id"))
    world.settle()
    assert tab.frames() == [Frame(CLOSE, struct.pack("!H", 1000))]
    assert not tab.closed
    tab.sends(frame_bytes(PING) + frame_bytes(CLOSE, struct.pack("!H", 1000)))
    assert tab.data() == b""
    assert tab.closed


def test_who_never_answers_a_close_is_cut_off(world: World, tab: Tab) -> None:
    tab.opens().sends(frame_bytes(BINARY, b"x"))
    tab.sends(said(wire.PingMes()) * 10)
    assert not tab.closed
    world.wait(CLOSE_TIMEOUT + 0.1)
    assert tab.closed


def test_a_stopping_server_tells_its_browsers_to_come_back(world: World, tab: Tab) -> None:
    logged_in(world, tab)
    stopping = ensureDeferred(world.node().stop())
    world.wait(0.5)
    assert stopping.called
    error, close = tab.frames()
    assert isinstance(error.message, wire.ErrorMes)
    assert error.message.reconnect
    assert close.opcode == CLOSE


def test_a_connection_that_is_gone_is_left_alone(world: World, tab: Tab) -> None:
    door = logged_in(world, tab).protocol.dataReceived.__self__
    tab.leaves()
    door.abort()
    door.close()
    assert not tab.transport.disconnected
    assert world.node().sessions.all() == []


# ---------------------------------------------------------------- real sockets


def test_what_was_asked_before_is_answered_before(world: World, real_tab: Connect) -> None:
    """The answers may still wait in the transport when the WebSocket begins."""
    tab = real_tab()
    headers = {"Origin": ORIGIN} | UPGRADE
    tab.far.sendall(
        request_bytes("GET", "/static/parts/app.js")
        + request_bytes("GET", "/ws", headers)
        + said(wire.PingMes())
    )
    data = tab.data()
    page, _, rest = data.partition(b"HTTP/1.1 101")
    assert page.startswith(b"HTTP/1.1 200 OK")
    assert [frame.message for frame in parse_frames(rest.partition(b"\r\n\r\n")[2])] == [
        wire.PongMes()
    ]


def test_a_browser_that_reads_too_slowly_gets_whole_frames_and_is_told_why(
    world: World, real_tab: Connect
) -> None:
    slow, busy = logged_in(world, real_tab()), world.member(2)
    session = world.node().sessions.all()[0]
    for number in range(600):
        busy.says(sms("😀" * wire.MAX_CONTENT, f"id{number}"))
        # It asks, too: the pongs stand in the same line.
        slow.far.sendall(frame_bytes(PING, b"%d" % number))
        slow.turn()
        world.settle()
        assert session.outbox.queued <= (1 << 20) + 300_000
        if session.closed:
            break
    else:
        pytest.fail("what waits for it has no bound")
    received = b""
    while piece := slow.data():
        received += piece
    frames = list(parse_frames(received))
    *texts, error, close = [frame for frame in frames if frame.opcode != PONG]
    assert isinstance(error.message, wire.ErrorMes)
    assert (error.message.code, error.message.reconnect) == (Code.CLOSED, True)
    assert close.opcode == CLOSE
    assert set(kinds([frame.message for frame in texts])) == {"SmsMes", "PresenceMes"}
    pongs = [int(frame.payload) for frame in frames if frame.opcode == PONG]
    assert pongs == list(range(len(pongs)))


def test_pings_of_one_that_never_reads_have_a_bound(
    world: World, real_tab: Connect, make_site: Callable[..., Site]
) -> None:
    tab = logged_in(world, real_tab(make_site(send_queue=50_000)))
    tab.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    session = world.node().sessions.all()[0]
    flood = b""
    for _ in range(10_000):
        flood = flood or frame_bytes(PING, b"x" * 125) * 400
        with suppress(BlockingIOError):
            flood = flood[tab.far.send(flood) :]
        tab.turn()
        assert session.outbox.queued <= 51_000
        if session.closed:
            break
    else:
        pytest.fail("what waits for it has no bound")


# ---------------------------------------------------------------- how many


def test_one_address_has_a_bound_and_who_leaves_makes_room(world: World, site: Site) -> None:
    world.node().connection_limit = ConnectionLimit(world.clock, per_address=2)
    tabs = [Tab(site), Tab(site).opens()]
    assert Tab(site).closed
    other = Tab(site, address="192.0.2.2")
    assert other.upgrades().code == 101
    for tab in tabs:
        tab.leaves()
    assert Tab(site).upgrades().code == Tab(site).upgrades().code == 101
    assert Tab(site).closed


def test_behind_a_proxy_each_counts_where_it_comes_from(
    world: World, make_site: Callable[..., Site]
) -> None:
    world.node().connection_limit = keeper = ConnectionLimit(world.clock, per_address=2, most=4)
    site = make_site(trusted="192.0.2.1")
    tabs = [Tab(site) for _ in range(4)]
    one, two = {"X_Forwarded_For": "203.0.113.1"}, {"X_Forwarded_For": "203.0.113.2"}
    addresses = [one, one, one, two]
    codes = [tab.upgrades(**address).code for tab, address in zip(tabs, addresses, strict=True)]
    assert codes == [101, 101, 503, 101]
    assert not keeper.admit("198.51.100.1"), "all four count"
    for tab in tabs:
        tab.leaves()
    assert all(keeper.admit(f"198.51.100.{number}") for number in range(4)), "none counts"


def test_one_too_many_is_told_so_where_that_costs_nothing(world: World, real_tab: Connect) -> None:
    world.node().connection_limit = ConnectionLimit(world.clock, most=1)
    real_tab()
    late = real_tab()
    response, _ = parse_response(late.data())
    assert (response.code, response["Retry-After"]) == (503, "10")
    check_headers(response)
    assert late.closed
