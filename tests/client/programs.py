"""Programs of the library's users, run as processes against a server with real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from chatroom.client import ChatClient, Incoming, connect
from tests.forked import python
from tests.serving import reactor

CHECKOUT = Path(__file__).parent.parent.parent
#: Seconds for everything that one test waits for: only a hang takes so long.
PATIENCE = 60


class Running(ProcessProtocol):
    """A process, and what it says before its end."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[int | None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        reason.trap(ProcessDone, ProcessTerminated)
        ended: Any = reason.value
        self.ended.callback(ended.exitCode)


@contextmanager
def program(path: Path, *arguments: str) -> Iterator[Running]:
    """A Python program as a process, which does not outlive the test."""
    running = Running()
    command = [*python, str(path), *arguments]
    process = reactor.spawnProcess(running, command[0], command, env=None)
    try:
        yield running
    finally:
        if process.pid is not None:
            process.signalProcess("KILL")


class Person:
    """User 100, who waits for others and for what they say."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._waiting: dict[str, Deferred[None]] = {}
        self.client: ChatClient

    @classmethod
    async def at(cls, address: str) -> Person:
        person = cls()
        person.client = await connect(
            address, reactor=reactor, on_text=person._on_text, on_presence=person._look
        )
        await person.client.register(100, "123456", "Ann")
        await person.client.log_in(100, "123456")
        return person

    def _on_text(self, message: Incoming) -> None:
        self.heard.append(message.content)
        self._look()

    def _look(self, *_: object) -> None:
        there = {f"user {user_id}" for user_id in self.client.online}
        for what in list(self._waiting):
            if what in there or what in self.heard:
                self._waiting.pop(what).callback(None)

    async def sees(self, user_id: int) -> None:
        """That user is online."""
        await self.hears(f"user {user_id}")

    async def hears(self, text: str) -> None:
        waiting: Deferred[None] = Deferred()
        self._waiting[text] = waiting
        self._look()
        await waiting.addTimeout(PATIENCE, reactor)
