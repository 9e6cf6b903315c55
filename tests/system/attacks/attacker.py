"""Those who mean no good: each attack as a function, bounded in time and count.

They come from addresses of their own, 127.0.66.x, so that what the server holds against an address
is held against them.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Message
from tests.system.lab import until
from tests.wire import PASSWORD, PATIENCE, WireClient, new_id

#: Seconds that one attack goes on, and rounds of those that have rounds.
LONG, ROUNDS = 2.0, 60
#: What programs say first that speak something else.
GREETINGS = (
    b"GET / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff" + bytes(1000),
    b"*1\r\n$4\r\nPING\r\n",
    codec.frame(b"[" * 4000),
    codec.frame(b"\xff\xfe{}"),
    codec.frame(b'{"type":"LoginMes","data":"' + rb"{\"userId\":1e400}" + b'"}'),
    codec.frame(b'{"type":"LoginMes","data":"' + rb"{\"userId\":NaN}" + b'"}'),
)


#: The proxy that the attacked server trusts, of this machine.
TRUSTED_PROXY = "127.0.66.200"


class Target(NamedTuple):
    """What is attacked."""

    port: int
    #: Where the page is; `TRUSTED_PROXY` is believed there.
    web_port: int
    #: Somebody whom the attackers would like to be.
    victim: int
    #: Ids that the attackers may register: these and those above.
    own_ids: int


def enemy(target: Target, number: int = 1) -> WireClient:
    """A connection of theirs, from their address with that number."""
    return WireClient(target.port, source=f"127.0.66.{number}")


@contextlib.contextmanager
def enemies(target: Target, count: int, number: int = 1) -> Iterator[list[WireClient]]:
    """As many connections as the server lets them have."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                clients.append(stack.enter_context(enemy(target, number)))
        yield clients


def answers(client: WireClient, seconds: float = 0.5) -> list[Message]:
    """What comes until the server closes, or falls silent."""
    came: list[Message] = []
    with contextlib.suppress(ConnectionError, TimeoutError):
        while True:
            came.append(client.receive(seconds))
    return came


def rounds(was_stopped: Callable[[], object]) -> Iterator[int]:
    """As many as an attack has, and more until it was stopped; only what hangs takes so long."""
    end = time.monotonic() + PATIENCE
    for number in count():
        if number >= ROUNDS and (was_stopped() or time.monotonic() > end):
            return
        yield number


# ---------------------------------------------------------------- the attacks


def guess_passwords(target: Target) -> str:
    """Passwords of somebody's account, one after the other, by several connections."""
    codes: dict[int, int] = {}
    with enemies(target, 5) as clients:
        for turn in range(ROUNDS):
            client = clients[turn % len(clients)]
            with contextlib.suppress(OSError):
                code = client.log_in(target.victim, f"guess {turn}").code
                codes[code] = codes.get(code, 0) + 1
    assert codes.pop(403, 0) <= 10 + len(clients), "too many guesses were looked at"
    assert codes, "nobody was told to wait"
    assert set(codes) == {429}
    return f"answers {codes} after the first ones"


def log_in_all_at_once(target: Target) -> str:
    """A hundred logins with a wrong password in the same moment, from as many addresses."""
    with ExitStack() as stack:
        clients = [stack.enter_context(enemy(target, 2 + number)) for number in range(100)]
        for client in clients:
            login = wire.LoginMes(user_id=target.victim, user_pwd="no, not this", protocol=2)
            client.send(login)
        codes = [client.expect(wire.LoginResMes).code for client in clients]
    return f"answers { {code: codes.count(code) for code in set(codes)} }"


def flood_with_messages(target: Target) -> str:
    """Members who say as much as they can and do not care for what they are answered."""
    sent, codes = 0, Counter[int]()
    ended: set[WireClient] = set()
    with enemies(target, 3, 120) as clients:
        for number, client in enumerate(clients):
            client.enter(target.own_ids + number)
        for _ in rounds(lambda: codes[429] or ended):
            for client in set(clients) - ended:
                words = [wire.SmsMes(content="buy " * 20, id=new_id()) for _ in range(50)]
                try:
                    client.send(*words)
                    sent += len(words)
                    came = answers(client, 0.001)
                except OSError:
                    ended.add(client)
                    continue
                codes.update(getattr(message, "code", 0) for message in came)
    assert codes[429] or ended, "nobody was stopped"
    return f"{sent} sent, {codes[429]} refused, {len(ended)} of {len(clients)} sent away"


def never_read(target: Target) -> str:
    """Members who ask for all that was ever said, and read none of it."""
    with ExitStack() as stack:
        for number in range(10):
            client = stack.enter_context(
                WireClient(target.port, source="127.0.66.3", receive_buffer=4096)
            )
            client.enter(target.own_ids + 10 + number)
            for _ in range(20):
                with contextlib.suppress(OSError):
                    client.send(wire.HistoryMes(limit=200))
        time.sleep(LONG)
    return "10 that do not read"


def say_nothing(target: Target) -> str:
    """Connections that are opened and left alone, as many as can be."""
    with enemies(target, 300, 4) as clients:
        time.sleep(LONG)

        def open_ones() -> int:
            return sum(not _has_ended(client) for client in clients)

        until(lambda: open_ones() <= 100, why="one address may have a hundred")
        return f"{len(clients)} opened, {open_ones()} left open"


def _has_ended(client: WireClient) -> bool:
    try:
        while True:
            client.receive(0.001)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def speak_something_else(target: Target) -> str:
    """HTTP, TLS, SSH, lengths and texts that can't be."""
    told = 0
    for turn in range(10 * len(GREETINGS)):
        with contextlib.suppress(OSError), enemy(target, 5) as client:
            client.send_bytes(GREETINGS[turn % len(GREETINGS)])
            told += any(
                isinstance(m, wire.ErrorMes | wire.LoginResMes) for m in answers(client, 0.05)
            )
    with enemy(target, 5) as client:
        client.send_bytes(codec.frame(b"[" * 4000))
        client.expect(wire.ErrorMes)
    return f"{10 * len(GREETINGS)} connections, {told} told what is wrong"


def come_and_go(target: Target) -> str:
    """Connections that are opened and reset at once, some in the middle of a frame."""
    end = time.monotonic() + LONG
    made = 0
    while time.monotonic() < end and made < 3000:
        with contextlib.suppress(OSError):
            client = enemy(target, 6)
            if made % 3 == 0:
                client.send_bytes(b"\x00\x00\x01\x00{")
            client.reset()
        made += 1
    return f"{made} connections"


def one_byte_a_second(target: Target) -> str:
    """A login that is sent as slowly as can be."""
    frame = codec.frame(codec.encode(wire.LoginMes(user_id=target.victim, user_pwd=PASSWORD)))
    with enemies(target, 50, 7) as clients:
        for byte in frame[:3]:
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send_bytes(bytes([byte]))
            time.sleep(1)
    return "50 connections"


def ask_for_much(target: Target) -> str:
    """A member who asks for history and lists without end."""
    asked, codes = 0, Counter[int]()
    with enemy(target, 8) as client:
        client.enter(target.own_ids + 50)
        for _ in rounds(lambda: codes[429]):
            try:
                client.send(*[wire.HistoryMes(limit=200), wire.UsersMes(limit=500)] * 10)
                asked += 20
                came = answers(client, 0.01)
            except OSError:
                break
            codes.update(getattr(message, "code", 0) for message in came)
    assert codes[429], "it was never told to wait"
    return f"{asked} asked, {codes[429]} refused"


def mix_up_names(target: Target) -> str:
    """Registrations with names and ids that nobody may have, and with ids that are taken."""
    taken = 0
    with enemy(target, 9) as client:
        for name in ("\u202eevil", "a\x1b[2Jb", "", " ", "x" * 33, "\u200b", "a\nb", "\x00"):
            client.send_bytes(_registration(str(target.own_ids + 60), name))
            assert client.expect(wire.RegisterResMes).code == 506, name
        for user_id in ("0", "-1", "9007199254740992", "1e3", '"7"', "null", "1" * 400):
            client.send_bytes(_registration(user_id))
            assert client.expect(wire.RegisterResMes).code == 506, user_id
        taken = client.register(target.victim)
    assert taken == 505
    return "every one refused"


def _registration(user_id: str, name: str = "x") -> bytes:
    """The frame, with what the message's own class would not let anybody write."""
    data = f'{{"user":{{"userId":{user_id},"userPwd":"123456","userName":{json.dumps(name)}}}}}'
    return codec.frame(json.dumps({"type": "RegisterMes", "data": data}).encode())


ATTACKS: tuple[Callable[[Target], str], ...] = (
    guess_passwords,
    log_in_all_at_once,
    flood_with_messages,
    never_read,
    say_nothing,
    speak_something_else,
    come_and_go,
    one_byte_a_second,
    ask_for_much,
    mix_up_names,
)
