"""Attacks by way of the page's door: HTTP, the WebSocket, and what a proxy says or seems to say."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from chatroom.protocol import messages as wire
from chatroom.transports.web.request import MAX_BODY
from tests.system.attacks.attacker import LONG, TRUSTED_PROXY, Target, rounds
from tests.transports.web.browser import UPGRADE, parse_response
from tests.transports.web.real_browser import Browser
from tests.wire import PASSWORD, connected, new_id

#: Addresses that are nobody's neighbours, so that registrations from there are counted. Nothing is
#: ever sent to them: they stand in a header.
PUBLIC, ANOTHER = "8.8.8.8", "9.9.9.9"
#: A request that the server answers as it should be.
GOOD_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def browser(target: Target, number: int, receive_buffer: int | None = None) -> Browser:
    """One of theirs, from their address with that number."""
    source = f"127.0.66.{number}"
    return Browser(target.web_port, source=source, receive_buffer=receive_buffer)


def behind_proxy(target: Target) -> Browser:
    """One that comes by the trusted proxy, which says whatever the test has it say."""
    return Browser(target.web_port, source=TRUSTED_PROXY)


@contextlib.contextmanager
def connections(target: Target, count: int, number: int) -> Iterator[list[socket.socket]]:
    """As many as the server lets them have, on which nothing was asked yet."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = connected(target.web_port, source=f"127.0.66.{number}")
            opened.append(stack.enter_context(connection))
        yield opened


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes, or falls silent."""
    data = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            data += piece
    return data


def guess(browser: Browser, user_id: int, address: str, turn: int) -> int:
    """A try at a password, said to be from that address; the answer's code."""
    credentials = {"userId": user_id, "userPwd": f"guess {turn}"}
    answer = browser.posts("login", credentials, X_Forwarded_For=address)
    code: int = answer.json["code"]
    return code


# ---------------------------------------------------------------- the attacks


def guess_by_http_from_invented_addresses(target: Target) -> str:
    """Passwords of somebody's account, each try with another address in X-Forwarded-For."""
    guesser = browser(target, 150)
    codes = Counter(guess(guesser, target.victim, f"8.8.{n}.1", n) for n in range(60))
    assert codes[403] <= 10, "what the header said was believed"
    assert set(codes) <= {403, 429}
    return f"answers {dict(codes)}"


def guess_by_http_behind_a_proxy(target: Target) -> str:
    """Three guessers behind the proxy that the server trusts, each with inventions of his own."""
    nobody = target.own_ids + 70
    proxy = behind_proxy(target)
    for number in range(3):
        # What the proxy adds stands at the right; left of it is what it was told.
        codes = [guess(proxy, nobody, f"8.8.{n}.1, 9.9.9.{number}", n) for n in range(15)]
        assert codes == [500] * 10 + [429] * 5, "each has ten tries of his own"
    assert guess(proxy, nobody, "9.9.9.77", 0) == 500, "a neighbour has to wait for them"
    return "ten tries each, the neighbour has his own"


def one_header_byte_a_second(target: Target) -> str:
    """Requests that never get finished."""
    with connections(target, 60, 151) as opened:
        for number in range(3):
            for connection in opened:
                with contextlib.suppress(OSError):
                    connection.sendall(GOOD_REQUEST[number : number + 1])
            time.sleep(1)
    return "60 connections"


def huge_bodies(target: Target) -> str:
    """Requests with far more behind them than a request may have, by length and in pieces."""
    head = (
        b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\n"
    )
    piece = b"x" * 65536
    codes = []
    with connections(target, 4, 152) as opened:
        for number, connection in enumerate(opened):
            chunked = number % 2
            connection.sendall(
                head + b"Transfer-Encoding: chunked\r\n\r\n"
                if chunked
                else head + b"Content-Length: %d\r\n\r\n" % (100 * len(piece))
            )
            with contextlib.suppress(OSError):
                for _ in range(100):
                    connection.sendall(b"10000\r\n%b\r\n" % piece if chunked else piece)
                if chunked:
                    connection.sendall(b"0\r\n\r\n")
            codes.append(parse_response(rest_of(connection))[0].code)
        assert codes == [413] * 4
    with connections(target, 20, 152) as opened:
        for connection in opened:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % 10**15 + piece)
        time.sleep(LONG)
    return f"4 of 6 MiB each, at most {MAX_BODY} bytes are taken; 20 that announce a petabyte"


def flood_by_websocket(target: Target) -> str:
    """Members who say as much as they can by WebSocket, in three tabs of one account."""
    first = browser(target, 153)
    first.registers_and_logs_in(target.own_ids + 71, PASSWORD)
    tabs = [first]
    for _ in range(2):
        tabs.append(browser(target, 153))
        tabs[-1].cookie = first.cookie
    for tab in tabs:
        tab.enters(target.own_ids + 71)
    sent = 0
    ended: set[Browser] = set()
    for _ in rounds(lambda: ended):
        for tab in set(tabs) - ended:
            words = [wire.SmsMes(content="buy " * 20, id=new_id()) for _ in range(50)]
            try:
                tab.says(*words)
                sent += len(words)
            except OSError:
                ended.add(tab)
        time.sleep(0.05)
    for tab in tabs:
        assert not tab.stays_open(), "a flood goes on without end"
        tab.leaves()
    return f"{sent} sent, all {len(tabs)} sent away"


def never_read_a_websocket(target: Target) -> str:
    """Tabs that ask for all that was ever said, and read none of it."""
    tabs = []
    for number in range(10):
        tab = browser(target, 154, 4096)
        tab.registers_and_logs_in(target.own_ids + 80 + number, PASSWORD)
        tab.enters(target.own_ids + 80 + number)
        with contextlib.suppress(OSError):
            tab.says(*[wire.HistoryMes(limit=200)] * 20)
        tabs.append(tab)
    time.sleep(LONG)
    for tab in tabs:
        tab.leaves()
    return "10 that do not read"


def ask_from_another_site(target: Target) -> str:
    """What another site's page could have a browser do, with the user's cookie."""
    user = browser(target, 155)
    user.registers_and_logs_in(target.own_ids + 90, PASSWORD)
    own = f"http://localhost:{target.web_port}"
    others = ("http://evil.example", "null", own + ".evil.example", own.replace("http", "https"))
    upgrade: dict[str, Any] = {**UPGRADE, "Connection": "Upgrade, close"}
    for origin in others:
        for name in ("session", "logout", "login", "register"):
            assert user.posts(name, Origin=origin).code == 403, (name, origin)
        assert user.asks("GET", "/ws", Origin=origin, **upgrade).code == 403, origin
    # With no origin at all a cookie logs nobody in.
    assert user.asks("GET", "/ws", **upgrade).code == 403
    # Nor is it enough that the name of the host was made to fit.
    there = {"Origin": "http://evil.example:1", "Host": "evil.example:1"}
    assert user.posts("session", **there).code == 421
    assert user.posts("session").json["code"] == 200, "its user was logged out by that"
    return f"{5 * len(others) + 2} requests, every one refused"


def register_without_end(target: Target) -> str:
    """Accounts, one after the other, from one address behind the trusted proxy."""
    proxy = behind_proxy(target)

    def register(number: int, address: str) -> int:
        user_id = target.own_ids + 100 + number
        user = {"userId": user_id, "userPwd": PASSWORD, "userName": "x"}
        answer = proxy.posts("register", {"user": user}, X_Forwarded_For=address)
        code: int = answer.json["code"]
        return code

    codes = [register(number, PUBLIC) for number in range(30)]
    assert codes == [200] * 20 + [429] * 10
    assert register(30, ANOTHER) == 200
    return "20 made, 10 refused, and one from elsewhere made"


_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
#: What is no request, or one that asks for what there is not; none of it is answered with 200.
ODD_REQUESTS = (
    b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static//etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/..\\..\\etc\\passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/%00index.html HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /static/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/../static/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    _POST + b"Content-Length: -1\r\n\r\n",
    _POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\n: nothing\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
    b"\x00\x00\x00\x02{}",
    b"\r\n" * 1000,
    b"GET\r\n\r\n",
)


def ask_oddly(target: Target) -> str:
    """Paths out of the page's folder, requests that mean two things, and what is none at all."""
    refused = 0
    for request in ODD_REQUESTS:
        with connections(target, 1, 156) as [connection]:
            with contextlib.suppress(OSError):
                connection.sendall(request)
            connection.settimeout(0.1)
            answer = rest_of(connection)
            assert b"root:" not in answer, request
            codes = {int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", answer)}
            assert all(400 <= code < 500 for code in codes), request
            refused += bool(codes)
    with connections(target, 1, 156) as [connection]:
        connection.sendall(GOOD_REQUEST)
        assert rest_of(connection).startswith(b"HTTP/1.1 200 ")
    return f"{len(ODD_REQUESTS)} requests, {refused} answered that they can't be, none served"


WEB_ATTACKS: tuple[Callable[[Target], str], ...] = (
    guess_by_http_from_invented_addresses,
    guess_by_http_behind_a_proxy,
    one_header_byte_a_second,
    huge_bodies,
    flood_by_websocket,
    never_read_a_websocket,
    ask_from_another_site,
    register_without_end,
    ask_oddly,
)
