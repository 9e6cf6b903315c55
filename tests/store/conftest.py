"""A real Valkey for the tests of the store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatroom.settings import StartError
from chatroom.store.binary import find_binary
from tests.doubles.valkey import Valkey

pytest.register_assert_rewrite(
    "tests.store.contract",
    "tests.store.contract_accounts",
    "tests.store.contract_bus",
    "tests.store.contract_mailboxes",
    "tests.store.contract_rooms",
)


@pytest.fixture(scope="session")
def valkey_binary() -> Path:
    try:
        return find_binary()[0]
    except StartError as error:
        pytest.skip(f"no Valkey here: {error}")


@pytest.fixture(scope="session")
def shared_valkey(valkey_binary: Path) -> Iterator[Valkey]:
    # Not pytest's folders: their paths can be longer than a socket's may be.
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        server = Valkey(valkey_binary, Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A Valkey with nothing in it."""
    shared_valkey.ask("FLUSHALL")
    shared_valkey.ask("SCRIPT", "FLUSH")
    return shared_valkey


@pytest.fixture
def own_valkey(valkey_binary: Path) -> Iterator[Callable[..., Valkey]]:
    """Makes Valkeys that one test may freeze, kill and start again as it likes."""
    servers: list[Valkey] = []
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:

        def make(*options: str) -> Valkey:
            own = Path(folder) / str(len(servers))
            own.mkdir()
            servers.append(Valkey(valkey_binary, own, *options))
            return servers[-1]

        yield make
        for server in servers:
            server.kill()
