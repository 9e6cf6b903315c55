"""Ports that something gives up and takes again, or is told to take."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from itertools import count

#: Below those that systems give out by themselves (from 32768 on Linux, 49152 elsewhere): a port
#: that is free for a moment is nobody else's meanwhile. Each process begins at a place of its own.
_candidates = count(12_000 + os.getpid() % 1_000 * 20)


def own_port() -> int:
    """A port of 127.0.0.1 that is free, and given to nobody who does not ask for it by number."""
    for port in _candidates:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is always another one")


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections: it is somebody's who does not listen."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
