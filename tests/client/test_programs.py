"""Bots as processes: whatever starts first, with asyncio, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from chatroom.transports.tcp import ChatFactory
from tests.client.programs import CHECKOUT, PATIENCE, Person, program
from tests.serving import Serving, reactor

pytestmark = pytest.mark.usefixtures("forking")

#: Logs in, and exits with status 3 in a callback.
EXITING = """
import sys
{install}
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from chatroom.client import as_task, connect

async def main(reactor, server):
    {kind} leave(message):
        if message.content == "quit":
            sys.exit(3)
        raise ValueError(message.content)

    bot = await connect(server, reactor=reactor, on_text=leave)
    await bot.register(202, "123456", "Leaver")
    await bot.log_in(202, "123456")
    try:
        await {until}
    finally:
        print("main ends")

react({run}, sys.argv[1:])
"""
ASYNCIO = "from twisted.internet import asyncioreactor; asyncioreactor.install()"

either_reactor = pytest.mark.parametrize("install", ["", ASYNCIO], ids=["default", "asyncio"])
either_kind = pytest.mark.parametrize("kind", ["def", "async def"], ids=["plain", "async"])


class HangingUp(Factory):
    """Accepts and closes; says when it did so the second time."""

    noisy = False

    def __init__(self, twice: Deferred[None]) -> None:
        self._twice = twice
        self._times = 0

    def buildProtocol(self, _: object) -> None:
        self._times += 1
        if self._times == 2:
            self._twice.callback(None)


@pytest.mark.parametrize("bot", [(200, "echo_bot"), (201, "asyncio_bot")], ids=lambda bot: bot[1])
@ensureDeferred
async def test_a_bot_that_is_there_before_its_server_waits_for_it(
    serving: Serving, tmp_path: Path, bot: tuple[int, str]
) -> None:
    user_id, name = bot
    address = tmp_path / "chat.sock"
    person = await Person.at(serving.address)
    with program(CHECKOUT / "examples" / f"{name}.py", f"unix:{address}") as running:
        # A proxy whose server is not there yet; then nobody; then the server.
        hung_up: Deferred[None] = Deferred()
        proxy = reactor.listenUNIX(str(address), HangingUp(hung_up))
        await hung_up.addTimeout(PATIENCE, reactor)
        await proxy.stopListening()
        port = reactor.listenUNIX(str(address), ChatFactory(serving.node))
        await person.sees(user_id)
        await person.client.send_private(user_id, "0 tea")
        await person.hears("You said: 0 tea" if name == "echo_bot" else "Remember: tea")
        await person.client.close()
        assert running.said == b""
    await running.ended
    await port.stopListening()


@ensureDeferred
async def test_an_asyncio_bot_says_what_it_does_not_understand(serving: Serving) -> None:
    person = await Person.at(serving.address)
    with program(CHECKOUT / "examples" / "asyncio_bot.py", serving.address) as running:
        await person.sees(201)
        await person.client.send_private(201, "soon tea")
        await person.hears("Write the seconds, and of what: 60 tea")
        await person.client.close()
        assert running.said == b""
    await running.ended


def test_the_documents_show_the_bots_as_they_are() -> None:
    for document, name in (("docs/library.md", "asyncio_bot"), ("README.md", "echo_bot")):
        text = (CHECKOUT / document).read_text("utf-8")
        bot = (CHECKOUT / "examples" / f"{name}.py").read_text("utf-8")
        assert f"```python\n{bot}```\n" in text
        assert document != "README.md" or text.count("```python\n") == 1


@either_reactor
@either_kind
@pytest.mark.parametrize(
    ("until", "run", "status"),
    [
        ("bot.when_ended()", "main", 3),
        ("bot.when_ended()", "lambda reactor, at: as_task(main(reactor, at), reactor)", 3),
        ("Deferred()", "main", 0),
    ],
    ids=["awaited", "awaited in a task", "forever"],
)
@ensureDeferred
async def test_an_exit_in_a_callback_ends_the_program(
    serving: Serving, tmp_path: Path, install: str, kind: str, until: str, run: str, status: int
) -> None:
    path = tmp_path / "exiting.py"
    path.write_text(EXITING.format(install=install, kind=kind, until=until, run=run), "utf-8")
    person = await Person.at(serving.address)
    with program(path, serving.address) as running:
        await person.sees(202)
        # The first one raises an error, which costs nothing.
        await person.client.send_private(202, "an error")
        await person.client.send_private(202, "quit")
        assert await running.ended.addTimeout(PATIENCE, reactor) == status
    assert (b"main ends" in running.said) == (status == 3)
    await person.client.close()
