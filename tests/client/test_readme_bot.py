"""The bot that the README shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from chatroom.client import Incoming, connect
from tests.serving import Serving, reactor

CHECKOUT = Path(__file__).parent.parent.parent
BOT = CHECKOUT / "examples" / "echo_bot.py"
#: Seconds for everything that one test waits for.
PATIENCE = 120


class Running(ProcessProtocol):
    """A process, and what it says before its end."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        reason.trap(ProcessDone, ProcessTerminated)
        self.ended.callback(None)


def test_the_readme_shows_the_bot_as_it_is() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert blocks == [BOT.read_text("utf-8")]


@ensureDeferred
async def test_the_bot_answers_who_writes_to_it_in_private(serving: Serving) -> None:
    heard: Deferred[Incoming] = Deferred()
    seen: Deferred[None] = Deferred()

    def on_presence(people: list[object], _online: int) -> None:
        if 200 in person.online and not seen.called:
            seen.callback(None)

    person = await connect(
        serving.address, reactor=reactor, on_text=heard.callback, on_presence=on_presence
    )
    await person.register(100, "123456", "Ann")
    await person.log_in(100, "123456")
    bot = Running()
    command = [sys.executable, str(BOT), serving.address]
    process = reactor.spawnProcess(bot, command[0], command, env=None)
    try:
        await seen.addTimeout(PATIENCE, reactor)
        await person.send_private(200, "is anybody there?")
        answer = await heard.addTimeout(PATIENCE, reactor)
        assert (answer.user_id, answer.content) == (200, "You said: is anybody there?")
    finally:
        process.signalProcess("TERM")
        await bot.ended
        await person.close()
    assert bot.said == b""
