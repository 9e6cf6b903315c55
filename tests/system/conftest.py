"""The server and the menus as processes of their own, started and ended by fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.doubles.valkey import Valkey
from tests.system.lab import Lab, Server, own_valkey
from tests.wire import WireClient

_ids = count(1000)


@pytest.fixture(scope="session", autouse=True)
def _forking(forking: None) -> None:
    """What `Lab.server`, the menus and ``chatroom-admin`` run in."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Ends what a test started with it."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only talk to it, each with users of its own."""
    lab = Lab(tmp_path_factory.mktemp("server"))
    try:
        # All tests together come from one address, and some of them mistype a password.
        yield lab.server("--login-failures", "0")
    finally:
        lab.close()


@pytest.fixture
def valkey(valkey_binary: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own, for ``--redis``."""
    with own_valkey(valkey_binary) as valkey:
        yield valkey


@pytest.fixture
def new_user() -> Callable[[], int]:
    """Gives ids that no other test uses."""
    return lambda: next(_ids)


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], WireClient]]:
    """Connects to the shared server."""
    clients: list[WireClient] = []

    def connect() -> WireClient:
        clients.append(server.client())
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def enter(
    servers: Sequence[Server], new_user: Callable[[], int]
) -> Iterator[Callable[..., WireClient]]:
    """Logs somebody in at one of a module's own two servers, 0 or 1."""
    with ExitStack() as stack:

        def enter(at: int, user_id: int | None = None, *, dialect: int = 2) -> WireClient:
            client = stack.enter_context(servers[at].client())
            return client.enter(user_id or new_user(), dialect=dialect)

        yield enter
