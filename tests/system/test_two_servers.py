"""Two servers on one Redis are one room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatroom.protocol import messages as wire
from tests.system.lab import Lab, Server, own_valkey, until
from tests.wire import WireClient, new_id

NewUser = Callable[[], int]


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, valkey_binary: Path
) -> Iterator[tuple[Server, Server]]:
    lab = Lab(tmp_path_factory.mktemp("two"))
    with own_valkey(valkey_binary) as valkey:
        try:
            yield (
                lab.server("--redis", f"unix://{valkey.socket}", "--node", "one"),
                lab.server("--redis", f"unix://{valkey.socket}", "--node", "two"),
            )
        finally:
            lab.close()


Enter = Callable[..., WireClient]


def test_each_says_where_everything_is_kept_and_what_that_promises(
    servers: tuple[Server, Server],
) -> None:
    for server, name in zip(servers, ("one", "two"), strict=True):
        assert "Everything is kept in the Redis at unix://" in server.log()
        assert f"this node's name: {name}" in server.log()
        # The tests' Valkey has none; what is acknowledged there may be lost in a crash of it.
        assert "append-only file" in server.log()


def test_everybody_hears_everything_in_the_same_order(enter: Enter) -> None:
    people = [enter(number % 2) for number in range(6)]

    def talk(client: WireClient) -> None:
        for number in range(40):
            client.send(wire.SmsMes(content=f"{client.user_id}: {number}", id=new_id()))

    with ThreadPoolExecutor() as pool:
        for talking in [pool.submit(talk, client) for client in people]:
            talking.result()
    orders = []
    for client in people:
        while len(_places(client)) < 6 * 40:
            client.receive()
        orders.append(_places(client))
    assert all(order == orders[0] for order in orders)
    assert orders[0] == sorted(orders[0])


def _places(client: WireClient) -> list[wire.Seq]:
    """Where each message stands, one's own by their acknowledgements."""
    return [
        wire.Seq.parse(str(message.seq))
        for message in client.got
        if isinstance(message, wire.SmsMes | wire.AckMes)
    ]


def test_who_is_online_and_busy_is_seen_on_both(enter: Enter) -> None:
    here, there = enter(0), enter(1)
    until(lambda: {here.user_id, there.user_id} <= set(here.online()))
    until(lambda: {here.user_id, there.user_id} <= set(there.online()))
    there.send(wire.StatusMes(status=wire.Status.BUSY))
    until(lambda: here.online()[there.user_id] == wire.Status.BUSY)
    there.close()
    until(lambda: there.user_id not in here.online())


def test_a_login_at_the_other_server_tells_who_is_here(enter: Enter, new_user: NewUser) -> None:
    here = enter(0)
    guest = enter(1)
    until(lambda: here.user_id in guest.online())
    guest.close()
    original = enter(1, dialect=1)
    # More may have come with it.
    [answer] = [message for message in original.got if isinstance(message, wire.LoginResMes)]
    assert here.user_id in (answer.users_id or [])
    newcomer = enter(0)
    original.expect(wire.NotifyUserStatusMes, user_id=newcomer.user_id, status=0)


def test_a_user_at_both_is_online_until_the_last_session_goes(enter: Enter) -> None:
    watching, laptop = enter(0), enter(0)
    phone = enter(1, laptop.user_id)
    # Who is told that somebody else came at the other server has heard of all who came before.
    after_the_phone = enter(1)
    until(lambda: after_the_phone.user_id in watching.online())
    laptop.close()
    # And who is told that somebody left here, of all who left before.
    after_the_laptop = enter(0)
    until(lambda: after_the_laptop.user_id in watching.online())
    after_the_laptop.close()
    until(lambda: after_the_laptop.user_id not in watching.online())
    assert laptop.user_id in watching.online()
    phone.close()
    until(lambda: laptop.user_id not in watching.online())


def test_a_private_message_crosses_over(enter: Enter, servers: tuple[Server, Server]) -> None:
    here, there = enter(0), enter(1)
    assert here.tell(there.user_id, "psst").code == 200
    assert there.is_told("psst").user_id == here.user_id
    until(lambda: there.user_id in here.online())
    there.close()
    until(lambda: there.user_id not in here.online())
    assert here.tell(there.user_id, "are you there?").code == 202
    with servers[0].client() as again:
        assert again.log_in(there.user_id).unread == 2
        again.is_told("psst")
        again.is_told("are you there?")


def test_the_same_id_at_the_other_server_is_the_same_message(enter: Enter) -> None:
    here = enter(0)
    there = enter(1, here.user_id)
    first = here.say("once", "the same id")
    assert there.say("once", "the same id") == first
    assert [message.content for message in there.history()].count("once") == 1


def test_one_stops_and_the_other_goes_on(lab: Lab, valkey_binary: Path) -> None:
    with own_valkey(valkey_binary) as valkey:
        redis = ("--redis", f"unix://{valkey.socket}")
        one, two = lab.server(*redis), lab.server(*redis)
        with one.client() as alice, two.client() as bob:
            alice.enter(100)
            bob.enter(101)
            until(lambda: 101 in alice.online())
            two.stop()
            # At once, not only when its time is up.
            assert valkey.ask("SCARD", "chatroom:nodes") == b":1\r\n"
            until(lambda: 101 not in alice.online())
            assert alice.say("still here").code == 200
        assert one.stop() is not None
        assert two.errors().splitlines() == [
            f"chatroom: connecting to the store at unix://{valkey.socket}"
        ]
