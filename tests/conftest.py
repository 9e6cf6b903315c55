"""What holds for all tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pytest_twisted import blockon
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from chatroom.config.errors import StartError
from chatroom.store.valkey.binary import find_binary
from tests import forked
from tests.world import World

# No test is about time: a busy machine is no failure.
hypothesis.settings.register_profile(
    "chatroom", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("chatroom")

# The tests start hundreds of processes, and one that has to compile the program first takes half as
# long again. Also where somebody wants no bytecode in general: `make clean` removes it.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What a shell starts in the background ignores Ctrl-C, what nohup starts ignores a hang-up, and so
# would all that the tests start: they send both to see what is done about them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_loop_of_playwrights(request: pytest.FixtureRequest) -> Iterator[None]:
    """Between the page's tests Playwright leaves its event loop as the one that runs here."""
    loop = asyncio._get_running_loop()
    if loop is None or request.node.nodeid.startswith("tests/transports/web/page/"):
        yield
        return
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(scope="session")
def forking() -> Iterator[None]:
    """``forked.python`` needs no time for imports."""
    with forked.forking():
        yield


@pytest.fixture(scope="session")
def valkey_binary() -> Path:
    try:
        return find_binary()[0]
    except StartError as error:
        pytest.skip(f"no Valkey here: {error}")


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines that were logged."""
    lines: list[str] = []

    def observe(event: Any) -> None:
        lines.append(formatEvent(event))

    observer: Any = observe
    globalLogPublisher.addObserver(observer)
    yield lines
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def logged(said: list[str]) -> list[str]:
    """The same, where no folder's own fixture looks at the events too."""
    return said


@pytest.fixture
def world() -> World:
    """A server with no sockets."""
    return World()


@pytest.fixture
def serving() -> Iterator[Any]:
    """A server on a real port: `tests.serving.Serving`."""
    from tests.serving import Serving  # with a reactor, which most tests do without

    serving = Serving()
    blockon(Deferred.fromCoroutine(serving.start()))
    yield serving
    blockon(Deferred.fromCoroutine(serving.stop()))


PAGE = "tests/transports/web/page/"
SYSTEM = "tests/system/"
#: Folders whose tests start processes or browsers, and wait for the most part. Elsewhere those that
#: use the ``forking`` fixture do.
SLOW = (
    "tests/fuzz/",
    "tests/store/redis/",
    "tests/store/valkey/",
    SYSTEM,
    PAGE,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of tests that wait and of tests that compute take turns, so that no core is idle."""
    waiting: dict[str, list[pytest.Item]] = {}
    computing: dict[str, list[pytest.Item]] = {}
    for item in items:
        slow = item.nodeid.startswith(SLOW) or "forking" in getattr(item, "fixturenames", ())
        if slow:
            item.add_marker(pytest.mark.slow)
        waits = slow and not item.nodeid.startswith(PAGE)
        (waiting if waits else computing).setdefault(item.location[0], []).append(item)
    # Browsers and whole systems take longest, and what is short fills the gaps at the end.
    files = sorted(computing.values(), key=lambda file: not file[0].nodeid.startswith(PAGE))
    waits_longest = sorted(waiting.values(), key=lambda file: not file[0].nodeid.startswith(SYSTEM))
    turns = zip_longest(waits_longest, files, fillvalue=())
    items[:] = [item for turn in turns for file in turn for item in file]
