"""The log: one line for each try, that nobody can forge; and nothing secret, there or elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import globalLogPublisher, textFileLogObserver

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.login_throttle import LoginThrottle
from chatroom.accounts.passwords import Passwords
from chatroom.accounts.registration import Registration
from chatroom.client.connection.login import Identity
from chatroom.common.counters import Count
from chatroom.protocol import messages as wire
from chatroom.store.records import Account
from tests.doubles.memory_store import MemoryStore, Trouble
from tests.world import PASSWORD, Client, World

HERE = "192.0.2.1"
#: Contained in every secret below, and in nothing else.
HUSH = "xyzzy"


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """What a server would have written into its log file up to now, tracebacks included."""
    out = io.StringIO()
    publisher: Any = globalLogPublisher
    observer = textFileLogObserver(out, timeFormat=None)
    publisher.addObserver(observer)
    yield out.getvalue
    publisher.removeObserver(observer)


def lines(log: Callable[[], str], what: str) -> list[str]:
    found = [line.partition("] ")[2] for line in log().splitlines()]
    return [line for line in found if line.startswith(what)]


def made(**registration: Any) -> World:
    def make_accounts(store: MemoryStore, passwords: Passwords) -> Accounts:
        throttle = LoginThrottle(store, failures=3)
        return Accounts(
            store,
            passwords,
            throttle=throttle,
            registration=Registration(store, throttle, **registration),
            max_logins=1,
        )

    return World(make_accounts=make_accounts)


def says(world: World, *messages: wire.Message, address: str = HERE) -> Client:
    client = world.connect(address=address)
    client.says(*messages)
    world.settle()
    return client


# ---------------------------------------------------------------- one line


def test_each_login_is_one_line_with_id_address_and_outcome(log: Callable[[], str]) -> None:
    world = made()
    token = says(world, world.login(1)).take_one(wire.LoginResMes).token
    says(world, world.login(1, token=token, user_pwd=""), address="2001:db8::1")
    says(world, world.login(1, token="nonsense"))
    says(world, world.login(1, user_pwd="wrong"))
    says(world, wire.LoginMes(user_id=404, user_pwd="wrong"))
    says(world, world.login(1, user_pwd="wrong", dialect=1))
    world.account(2)
    says(world, wire.LoginMes(user_id=2, user_pwd=PASSWORD))
    world.store().fail(Trouble.REFUSES)
    says(world, world.login(1))
    assert lines(log, "Login") == [
        "Login of 1 from 192.0.2.1: ok",
        "Login of 1 from 2001:db8::1: ok by token",
        "Login of 1 from 192.0.2.1: token refused",
        "Login of 1 from 192.0.2.1: wrong password",
        "Login of 404 from 192.0.2.1: no such user",
        "Login of 1 from 192.0.2.1: wrong password",
        "Login of 2 from 192.0.2.1: blocked",
        "Login of 1 from 192.0.2.1: store away",
    ]
    # All that were refused for a fault of theirs.
    assert world.node().counters == {Count.LOGINS_FAILED: 5}


def test_who_leaves_the_line_and_who_leaves_behind_it_are_one_line_each(
    log: Callable[[], str],
) -> None:
    world = made()
    world.account(1)
    served, waiting = world.connect(), world.connect(address=HERE)
    served.says(world.login(1))
    waiting.says(world.login(1))
    waiting.cut()
    served.cut()
    world.settle()
    assert lines(log, "Login") == [
        "Login of 1 from 192.0.2.1: gone before its turn",
        "Login of 1 from somewhere: ok",
    ]


def test_a_fault_of_ours_is_a_line_too(log: Callable[[], str]) -> None:
    world = made()
    world.account(1)
    world.in_thread = broken
    says(world, world.login(1))
    assert lines(log, "Login of") == ["Login of 1 from 192.0.2.1: failed"]


def test_registrations_and_changes_of_a_password_are_lines_as_well(
    log: Callable[[], str],
) -> None:
    world = made(invite=HUSH)
    ann = wire.User(1, PASSWORD, "Ann")
    says(world, wire.RegisterMes(ann))
    says(world, wire.RegisterMes(wire.User(1, "short", "Ann"), HUSH))
    says(world, wire.RegisterMes(ann, HUSH))
    says(world, wire.RegisterMes(ann, HUSH))
    client = says(world, world.login(1))
    client.says(
        wire.PasswordMes(user_pwd="wrong", new_pwd="better one"),
        wire.PasswordMes(user_pwd=PASSWORD, new_pwd="short"),
        wire.PasswordMes(user_pwd=PASSWORD, new_pwd="better one"),
    )
    world.settle()
    world.store().fail(Trouble.REFUSES)
    says(world, wire.RegisterMes(ann, HUSH))
    assert lines(log, "Registration") == [
        "Registration of 1 from 192.0.2.1: not invited",
        "Registration of 1 from 192.0.2.1: weak password",
        "Registration of 1 from 192.0.2.1: ok",
        "Registration of 1 from 192.0.2.1: id taken",
        "Registration of 1 from 192.0.2.1: store away",
    ]
    assert lines(log, "Password change") == [
        "Password change of 1 from 192.0.2.1: wrong password",
        "Password change of 1 from 192.0.2.1: weak password",
        "Password change of 1 from 192.0.2.1: ok",
    ]


def test_no_line_can_be_forged(log: Callable[[], str]) -> None:
    forged = "\nLogin of 1 from 192.0.2.9: ok\r\u2028\x1b[2J"
    world = made()
    says(
        world,
        world.login(1, user_pwd=forged, user_name=forged),
        world.login(1, token=forged),
        address="192.0.2.1" + forged,
    )
    assert len(lines(log, "Login of 1 from 192.0.2.1")) == 2
    assert all(char.isprintable() or char == "\n" for char in log())
    assert not lines(log, "Login of 1 from 192.0.2.9")


# ---------------------------------------------------------------- nothing secret


def broken(function: Callable[..., Any], *args: object) -> Deferred[Any]:
    """A thread in which hashing fails."""

    def work(password: object = args[-1]) -> None:
        raise MemoryError("no memory")

    return maybeDeferred(work)


def test_no_password_is_ever_logged_or_sent_on(
    log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    take = Client._take

    def taken(client: Client, data: bytes) -> None:
        sent.append(data)
        take(client, data)

    monkeypatch.setattr(Client, "_take", taken)
    world = made(invite=f"{HUSH}-invite")
    witness = world.member(99)
    password, other = f"{HUSH}-password", f"{HUSH}-other"
    ann = wire.User(1, password, "Ann")

    for trouble in (*Trouble, "broken"):
        client = world.connect(address=f"8.8.8.{len(sent) % 250}")
        if trouble == "broken":
            world.in_thread = broken
        elif isinstance(trouble, Trouble):
            world.store().fail(trouble)
        client.says(
            wire.RegisterMes(ann, f"{HUSH}-wrong"),
            wire.RegisterMes(ann, f"{HUSH}-invite"),
            wire.LoginMes(user_id=1, user_pwd=other, protocol=2),
            wire.LoginMes(user_id=1, token=other, protocol=2),
            wire.LoginMes(user_id=1, user_pwd=password, user_name=password, protocol=2),
            wire.SmsMes(content="hello", user_pwd=password, id="1"),
            wire.PrivateMes(content="hello", user_pwd=password, to_user_id=99, id="2"),
            wire.PasswordMes(user_pwd=other, new_pwd=password),
            wire.PasswordMes(user_pwd=password, new_pwd=password),
            wire.LoginMes(user_id=1, user_pwd=password),
        )
        for frame in malformed(password):
            client.says_frame(frame)
        world.settle()
        if trouble is Trouble.NONE:
            assert client.session.is_member
        world.store().recover()
        world.wait(3)

    assert witness.texts() == ["hello", "hello"]
    assert "MemoryError" in log()
    assert HUSH not in log()
    assert HUSH.encode() not in b"".join(sent)


def malformed(password: str) -> Iterator[bytes]:
    """Frames with a password that no message can be made of."""
    for data in (
        f'{{"userId": 1, "userPwd": "{password}',
        f'{{"userId": 1, "userPwd": ["{password}"]}}',
        f'{{"userId": "{password}", "userPwd": "{password}"}}',
        f'{{"userId": 1, "userPwd": "{password}\\ud800"}}',
        f'{{"userId": 1, "userPwd": "{password}\\udfff, and more"}}',
        f'{{"userId": 1, "userPwd": "{password * 100}", "newPwd": "{password}"}}',
        f'{{"user": {{"userId": 1, "userPwd": "{password * 100}", "userName": "Ann"}}}}',
        f'{{"userId": 1, "token": "{password * 100}"}}',
        f'{{"userId": 1, "resume": {{"rooms": {{"{password}": "{password}"}}}}}}',
    ):
        for kind in ("LoginMes", "PasswordMes", "RegisterMes"):
            yield msgspec.json.encode({"type": kind, "data": data})


@pytest.mark.parametrize(
    "secretive",
    [
        wire.LoginMes(user_id=1, user_pwd=HUSH, token=HUSH),
        wire.RegisterMes(wire.User(1, HUSH, "Ann"), HUSH),
        wire.PasswordMes(user_pwd=HUSH, new_pwd=HUSH),
        wire.LoginResMes(200, token=HUSH),
        wire.SmsMes(content="hi", user_pwd=HUSH),
        Account(user_id=1, name="Ann", password=HUSH, legacy=True),
        Identity(1, HUSH, HUSH),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_a_secret_does_not_show_it(secretive: object) -> None:
    assert HUSH not in f"{secretive!r} {secretive}"


def test_a_password_that_is_no_text_is_a_clear_error() -> None:
    world = made()
    for escape in ("\\ud800", "\\udfff and more", "\\ud800\\ud800"):
        client = world.connect()
        data = f'{{"userId": 1, "userPwd": "secret{escape}", "protocol": 2}}'
        client.says_frame(msgspec.json.encode({"type": "LoginMes", "data": data}))
        world.settle()
        assert client.take_one(wire.LoginResMes).code == 400
        assert not client.gone
    with pytest.raises(ValueError, match="no lone surrogates") as caught:
        wire.check_password(HUSH + "\ud800")
    assert HUSH not in f"{caught.value!r} {caught.value.__cause__!r}"
