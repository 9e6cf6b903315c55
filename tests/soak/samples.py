"""What is measured: the server and its store from outside, and what the server says of itself."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from typing import Any

import valkey
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.system.lab import PROC, Server

MIB = 1024 * 1024
Sample = dict[str, float]


class Probe:
    """Measures one running server."""

    def __init__(self, reactor: Any, server: Server) -> None:
        self._reactor = reactor
        self._server = server
        self._log = server.log_file
        self._read = 0
        self._store: Any = valkey.Valkey(
            unix_socket_path=str(server.data / "store" / "valkey.sock")
        )

    async def sample(self) -> Sample:
        """Everything that is cheap to know, now."""
        inside = await self._ask()
        status = (PROC / str(self._server.pid) / "status").read_text()
        memory = self._store.info("memory")
        return {
            "memory (MiB)": _number(status, "VmRSS") / 1024,
            "files": len(list((PROC / str(self._server.pid) / "fd").iterdir())),
            "threads": _number(status, "Threads"),
            "deferreds": inside["deferreds"],
            "timers": inside["timers"],
            "objects": inside["objects"],
            "queued (bytes)": inside["queued"],
            "members": inside["members"],
            "store's memory (MiB)": memory["used_memory"] / MIB,
            "keys": self._store.dbsize(),
        }

    async def _ask(self) -> dict[str, int]:
        """The line that SIGUSR2 has the server log."""
        self._read = self._log.stat().st_size
        self._server.send_signal(signal.SIGUSR2)
        for _ in range(1500):
            await deferLater(self._reactor, 0.02)
            with self._log.open("rb") as log:
                log.seek(self._read)
                found = re.search(rb"Diagnostics: (.*)\n", log.read())
            if found is not None:
                line = found[1].decode()
                return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
        raise RuntimeError("the server does not answer SIGUSR2")

    def kept(self) -> tuple[Counter[str], int]:
        """How many keys of each kind the store holds, and how many messages and ids are in them."""
        kinds: Counter[str] = Counter()
        entries = 0
        keys = [key.decode() for key in self._store.scan_iter(count=1000)]
        with self._store.pipeline(transaction=False) as asking:
            for key in keys:
                kinds[_kind(key)] += 1
                if key.endswith(":ids"):
                    asking.hlen(key)
                elif re.fullmatch(r"chatroom:(room:[^:]+|\{?mailbox:\d+\}?)", key):
                    asking.xlen(key)
            entries = sum(asking.execute())
        return kinds, entries


def _kind(key: str) -> str:
    """A key without what is different in each of its kind."""
    name = key.removeprefix("chatroom:")
    return re.sub(r":[0-9a-f]{16,}|:[^:]*\d[^:]*", "", name)


def _number(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pause(reactor: Any, seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)
