"""The disk fills up while people talk, then all is killed, and the disk has room again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatroom.protocol import messages as wire
from tests.doubles.small_disk import SmallDisk, mounted
from tests.doubles.valkey import Valkey
from tests.system.lab import Lab, Server, until
from tests.wire import PATIENCE, WireClient, new_id

#: Messages that each talker has under way, and the characters of each.
IN_FLIGHT, LENGTH = 20, 1500


class Crowd:
    """One who says much, and waits for no answer before saying more."""

    def __init__(self, server: Server, user_id: int) -> None:
        self._client: WireClient = server.client().enter(user_id)
        #: What was acknowledged: the message's id by its place.
        self.acknowledged: dict[str, str] = {}
        self.refused = 0
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._client.close()

    def _talk(self) -> None:
        try:
            self._say(IN_FLIGHT)
            while True:
                answer = self._client.expect(wire.AckMes, 600)
                if answer.code == 200:
                    self.acknowledged[str(answer.seq)] = answer.id
                else:
                    self.refused += 1
                self._say(1)
        except OSError:
            return

    def _say(self, count: int) -> None:
        self._client.send(*(wire.SmsMes(content="x" * LENGTH, id=new_id()) for _ in range(count)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path, "12m") as disk:
        yield disk


def held(server: Server) -> dict[str, str]:
    """All that the room holds: the message's id by its place."""
    with server.client() as reader:
        reader.enter(999)
        return {str(message.seq): str(message.id) for message in reader.history()}


@pytest.mark.slow
@pytest.mark.parametrize("room", [100_000, 400_000, 1_000_000], ids=lambda it: f"{it // 1000} KB")
@pytest.mark.parametrize("private", [True, False], ids=["private", "redis"])
def test_nothing_acknowledged_is_lost_when_all_is_killed_while_the_disk_is_full(
    lab: Lab, disk: SmallDisk, valkey_binary: Path, room: int, *, private: bool
) -> None:
    valkey = Valkey(valkey_binary, disk.folder, "--appendonly", "yes", "--appendfsync", "no")
    lab.ends(valkey.kill)
    if not private:
        valkey.start()
    options = () if private else ("--redis", f"unix://{valkey.socket}")
    data = disk.folder / "data" if private else lab.folder / "data"
    server = lab.server(*options, data=data)
    crowd = [Crowd(server, user_id) for user_id in (100, 101)]
    until(lambda: all(len(one.acknowledged) > 20 for one in crowd))
    disk.fill(leave=room)
    # Those whose messages were all in the batch that met the full disk wait for its answer.
    until(
        lambda: (
            all(one.refused > IN_FLIGHT for one in crowd)
            or "Nothing is acknowledged" in server.log()
        )
    )
    # Neither may have the time to bring the other back, or to try once more.
    server.send_signal(signal.SIGSTOP)
    if private:
        os.kill(server.valkey, signal.SIGKILL)
    else:
        valkey.kill()
    server.kill()
    for one in crowd:
        one.join()
    disk.free()
    if not private:
        valkey.start()
    kept = held(lab.server(*options, data=data))
    for one in crowd:
        assert one.acknowledged.items() <= kept.items()


@pytest.mark.slow
def test_before_the_disk_is_full_what_is_new_is_refused_and_all_else_goes_on(
    lab: Lab, disk: SmallDisk
) -> None:
    server = lab.server(data=disk.folder / "data")
    with server.client() as ann, server.client() as ben:
        ann.enter(100)
        assert ann.say("before").code == 200
        disk.fill(leave=500_000)
        until(lambda: "is nearly full" in server.log())
        assert ann.say("refused").code == 505
        assert ben.register(101) == 506
        assert ben.log_in(100).code == 200
        assert [message.content for message in ben.history()] == ["before"]
        disk.free()
        until(lambda: "has room again" in server.log())
        assert ann.say("after").code == 200
        ben.hears("after")
