"""What is killed or freezes: the server, its store, a node of two. All of it at once.

These scenarios wait more than they work, so they run side by side, each in a thread and with
servers of its own; the tests only fetch how they ended.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatroom.protocol import messages as wire
from tests.system.lab import Lab, Server, alive, own_valkey, until
from tests.wire import PATIENCE, new_id


class Talker:
    """Says one thing after the other, each until it is acknowledged."""

    def __init__(self, server: Server, user_id: int) -> None:
        self.client = server.client().enter(user_id)
        #: What was acknowledged: content by its place.
        self.acknowledged: dict[str, str] = {}
        #: Codes of refused tries.
        self.refused: list[int] = []
        self.lost = False
        self._stopping = False
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def progress(self, more: int = 20) -> None:
        """Wait until so much more was acknowledged."""
        target = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= target or self.lost, why="nothing is taken")
        assert not self.lost

    def stop(self) -> None:
        self._stopping = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.client.close()

    def _talk(self) -> None:
        number = 0
        try:
            while not self._stopping:
                number += 1
                self._say(f"{self.client.user_id} says {number}", new_id())
        except OSError:
            self.lost = True

    def _say(self, content: str, message_id: str) -> None:
        while True:
            self.client.send(wire.SmsMes(content=content, id=message_id))
            answer = self.client.expect(wire.AckMes, id=message_id)
            if answer.code == 200:
                self.acknowledged[str(answer.seq)] = content
                return
            self.refused.append(answer.code)
            if self._stopping:
                return
            time.sleep(0.02)


def _everything_once(server: Server, talkers: list[Talker]) -> None:
    """The room holds all that was acknowledged, in its place, and nothing twice."""
    with server.client() as reader:
        reader.log_in(talkers[0].client.user_id)
        history = reader.history()
    places = [wire.Seq.parse(str(message.seq)) for message in history]
    assert places == sorted(places)
    assert max(Counter(message.content for message in history).values()) == 1
    kept = {str(message.seq): message.content for message in history}
    for talker in talkers:
        assert talker.acknowledged.items() <= kept.items()


# ---------------------------------------------------------------- the scenarios


def the_server_is_killed_under_load(lab: Lab, _: Path) -> None:
    server = lab.server()
    with server.client() as alice, server.client() as bob:
        alice.enter(100, "alice")
        assert bob.register(101, "bob") == 200
        first = alice.say("before the crash", "the first")
        assert alice.tell(101, "unread").code == 202
        talkers = [Talker(server, user_id) for user_id in (102, 103, 104)]
        for talker in talkers:
            talker.progress(100)
        valkey = server.valkey
        server.kill()
        again = lab.server(data=server.data)
    assert not alive(valkey)
    assert again.errors() == ""
    for talker in talkers:
        talker.stop()
        assert talker.lost
    _everything_once(again, talkers)
    with again.client() as alice, again.client() as bob:
        assert alice.log_in(100).user_name == "alice"
        # Of who was online when it was killed, nobody is.
        assert set(alice.online()) == {100}
        assert alice.say("before the crash", "the first") == first
        assert bob.log_in(101).unread == 1
        bob.is_told("unread")


def the_server_is_killed_while_its_store_is_frozen(lab: Lab, _: Path) -> None:
    """Then the store outlives it."""
    server = lab.server()
    with server.client() as alice:
        alice.enter(100)
        assert alice.say("kept").code == 200
        valkey = server.valkey
        os.kill(valkey, signal.SIGSTOP)
        server.kill()
        assert alive(valkey)
        again = lab.server(data=server.data)
    assert not alive(valkey)
    with again.client() as alice:
        alice.log_in(100)
        assert [message.content for message in alice.history()] == ["kept"]


def the_store_is_killed_under_load(lab: Lab, _: Path) -> None:
    server = lab.server()
    with server.client() as listener:
        listener.enter(103)
        talkers = [Talker(server, user_id) for user_id in (100, 101, 102)]
        for _round in range(3):
            for talker in talkers:
                talker.progress(50)
            valkey = server.valkey
            os.kill(valkey, signal.SIGKILL)
            for talker in talkers:
                talker.progress(1)
            until(lambda old=valkey: server.valkey != old)  # type: ignore[misc]
        for talker in talkers:
            talker.stop()
            assert not talker.lost
            assert set(talker.refused) <= {505}
        assert listener.say("the end").code == 200
        heard = [message for message in listener.got if isinstance(message, wire.SmsMes)]
    # The listener heard on one connection all that is held, in order, and nothing twice.
    _everything_once(server, talkers)
    places = [wire.Seq.parse(str(message.seq)) for message in heard]
    assert places == sorted(set(places))
    said = {content for talker in talkers for content in talker.acknowledged.values()}
    assert said <= {message.content for message in heard}


def the_store_freezes_for_a_while(lab: Lab, _: Path) -> None:
    server = lab.server()
    talkers = [Talker(server, user_id) for user_id in (100, 101)]
    with server.client() as asking, server.client() as stranger:
        asking.enter(102)
        for talker in talkers:
            talker.progress()
        os.kill(server.valkey, signal.SIGSTOP)
        try:
            asking.send(wire.HistoryMes())
            refused = asking.expect(wire.ErrorMes)
            assert refused.code == 505
            # From here on nothing waits that long.
            assert stranger.log_in(100).code == 505
            assert stranger.register(104) == 506
            assert asking.is_alive()
            # What is stored and not read back yet has no answer; what comes now has one.
            assert asking.say("while it is frozen").code == 505
        finally:
            os.kill(server.valkey, signal.SIGCONT)
        for talker in talkers:
            talker.progress(20)
            talker.stop()
            assert not talker.lost
            assert set(talker.refused) <= {505}
        assert stranger.log_in(100).code == 200
        assert asking.say("again").code == 200
    _everything_once(server, talkers)


def a_node_of_two_is_killed(lab: Lab, binary: Path) -> None:
    with own_valkey(binary) as valkey:
        one, two = (lab.server("--redis", f"unix://{valkey.socket}") for _ in range(2))
        with one.client() as alice, two.client() as bob, two.client() as alice_too:
            alice.enter(100)
            bob.enter(101)
            alice_too.enter(100)
            until(lambda: set(alice.online()) == {100, 101})
            two.kill()
            # Who is online elsewhere as well stays.
            gone = wire.Person(user_id=101, user_name="user 101", user_status=1)
            alice.expect(wire.PresenceMes, changes=[gone], online=1)
            assert set(alice.online()) == {100}
            assert alice.tell(101, "are you there?").code == 202
        again = lab.server("--redis", f"unix://{valkey.socket}", data=two.data)
        with again.client() as bob:
            assert bob.log_in(101).unread == 1
        one.stop()
        again.stop()


# ---------------------------------------------------------------- the tests

SCENARIOS: list[Callable[[Lab, Path], None]] = [
    a_node_of_two_is_killed,
    the_store_freezes_for_a_while,
    the_store_is_killed_under_load,
    the_server_is_killed_under_load,
    the_server_is_killed_while_its_store_is_frozen,
]


def _in_a_lab(scenario: Callable[[Lab, Path], None], folder: Path, binary: Path) -> None:
    lab = Lab(folder)
    try:
        scenario(lab, binary)
    finally:
        lab.close()


@pytest.fixture(scope="module")
def ending(
    tmp_path_factory: pytest.TempPathFactory, valkey_binary: Path
) -> Iterator[dict[Any, Future[None]]]:
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            scenario: pool.submit(
                _in_a_lab, scenario, tmp_path_factory.mktemp(scenario.__name__), valkey_binary
            )
            for scenario in SCENARIOS
        }


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS[::-1], ids=lambda it: it.__name__)
def test_nothing_is_lost_and_all_goes_on_when(
    scenario: Callable[[Lab, Path], None], ending: dict[Any, Future[None]]
) -> None:
    ending[scenario].result()
