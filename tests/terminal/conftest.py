"""Servers for the command, and terminals to start it in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.terminal.processes import Start, Terminal, serving


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that all tests of a module use one after the other."""
    with serving() as address:
        yield address


@pytest.fixture
def mortal_server() -> Iterator[str]:
    """The address of a server of this test's own, which it may end."""
    with serving() as address:
        yield address


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command in a terminal; ended behind the test."""
    started: list[Terminal] = []

    def start(*command: str, **environ: str) -> Terminal:
        started.append(Terminal(*command, **environ))
        return started[-1]

    yield start
    for each in started:
        each.kill()
