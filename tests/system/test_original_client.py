"""The original program's client under load: no frame in two pieces, none too large."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatroom.protocol import messages as wire
from tests.system.lab import Lab, Server, until
from tests.system.original_client import OriginalClient
from tests.wire import PASSWORD, WireClient, new_id

#: Messages of each of those who talk.
MANY = 300


class Party:
    """Original clients and others at one server."""

    def __init__(self, server: Server, new_user: Callable[[], int]) -> None:
        self._server = server
        self._new_user = new_user
        self._clients: list[OriginalClient | WireClient] = []

    def registered(self) -> int:
        user_id = self._new_user()
        with self._server.client() as client:
            assert client.register(user_id) == 200
        return user_id

    def original(self, user_id: int | None = None, *, slow: float = 0) -> OriginalClient:
        user_id = self.registered() if user_id is None else user_id
        client = OriginalClient(self._server.port, user_id, PASSWORD, slow=slow)
        self._clients.append(client)
        return client

    def talker(self) -> WireClient:
        client = self._server.client()
        self._clients.append(client)
        return client.enter(self._new_user())

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def party(lab: Lab, new_user: Callable[[], int]) -> Iterator[Party]:
    # So much may wait for a slow reader that none is disconnected.
    party = Party(lab.server("--send-queue", "100000000"), new_user)
    yield party
    party.close()


def _talk(client: WireClient, length: Callable[[], int]) -> list[str]:
    """Send many messages as fast as may be, and wait until each is acknowledged."""
    contents = []
    for number in range(0, MANY, 50):
        batch = []
        for one in range(number, number + 50):
            contents.append(f"{client.user_id} says {one}: ".ljust(length(), "好"))
            batch.append(wire.SmsMes(content=contents[-1], id=new_id()))
        client.send(*batch)
        for message in batch:
            assert client.expect(wire.AckMes, id=message.id).code == 200
    return contents


def test_no_frame_is_torn_while_everybody_talks(party: Party) -> None:
    # Some read at once, and some so slowly that what is for them piles up.
    readers = [party.original(slow=seconds) for seconds in (0, 0, 0.002, 0.004)]
    talkers = [party.talker() for _ in range(2)]
    dice = random.Random(1)
    with ThreadPoolExecutor() as pool:
        talking = [pool.submit(_talk, one, lambda: dice.randint(20, 2000)) for one in talkers]
        said = [f"an original says {number}" for number in range(100)]
        for content in said:
            readers[0].say(content)
        said += [content for talk in talking for content in talk.result()]
    readers[1].say("the last word")
    for reader in (readers[0], *readers[2:]):
        reader.wait_for("the last word")
        assert reader.torn is None
    # Long ones came in parts, but nothing is missing or there twice. Nobody hears oneself.
    for reader in readers[2:]:
        assert Counter("".join(reader.contents)) == Counter("".join([*said, "the last word"]))


def test_a_message_longer_than_its_buffer_comes_in_parts(party: Party) -> None:
    reader, talker = party.original(), party.talker()
    long = "".join(chr(0x4E00 + number) for number in range(wire.MAX_CONTENT))
    assert talker.say(long).code == 200
    assert talker.say("behind it").code == 200
    reader.wait_for("behind it")
    parts = reader.contents[:-1]
    assert len(parts) > 1
    assert "".join(parts) == long


def test_private_messages_and_what_waited_reach_it(party: Party) -> None:
    away, talker = party.registered(), party.talker()
    waiting = [f"secret {number}" for number in range(50)]
    assert {talker.tell(away, content).code for content in waiting} == {202}
    reader = party.original(away)
    assert talker.tell(away, "the last secret").code == 200
    until(lambda: len(reader.contents) == 51 or reader.torn)
    assert reader.torn is None
    for content, came in zip([*waiting, "the last secret"], reader.contents, strict=True):
        assert content in came
        assert content != came, "it has to say that it is private"
