"""The quiet people's process, as a test sees it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.forked import python
from tests.system.lab import environment
from tests.wire import PATIENCE

CHECKOUT = Path(__file__).parents[3]


class Period(NamedTuple):
    """What the quiet people got to hear in a while, latencies in milliseconds."""

    delivered: int
    missing: int
    troubles: list[str]
    p50_ms: float
    p99_ms: float
    max_ms: float


class Quiet:
    """People who keep talking from when this is entered until it is left."""

    def __init__(self, port: int, *, first_id: int, size: int) -> None:
        self._arguments = [str(port), str(first_id), str(size)]

    def __enter__(self) -> Self:
        self._ours, theirs = socket.socketpair()
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [*python, "-m", "tests.system.attacks.crowd", *self._arguments],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=environment(),
        )
        theirs.close()
        assert self._line() == "in", "they did not get in"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ours.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def period(self) -> Period:
        """What they got to hear since they came, or since this was last asked."""
        self._ours.sendall(b".")
        return Period(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        return line.strip()
