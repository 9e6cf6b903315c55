"""Logs one line of diagnostics whenever SIGUSR2 arrives."""

from __future__ import annotations

import gc
import signal
import threading
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom.node.node import Node

_log = Logger()


class Diagnostics:
    """Handles the signal between `start` and `stop`; call both in the main thread."""

    def __init__(self, reactor: Any, node: Node) -> None:
        self._reactor = reactor
        self._node = node
        self._before: Any = None

    def start(self) -> None:
        self._before = signal.signal(signal.SIGUSR2, self._asked)

    def stop(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGUSR2, self._before)
            self._before = None

    def counts(self) -> dict[str, int]:
        """Counts of everything that should not pile up.

        Collects garbage and goes through all objects: some 0.5 s for a million.
        """
        gc.collect()
        sessions = self._node.sessions.all()
        objects = gc.get_objects()
        return {
            "connections": self._node.sessions.connections,
            "sessions": len(sessions),
            "members": sum(session.is_member for session in sessions),
            # Bytes that wait for clients who read slowly.
            "queued": sum(session.outbox.queued for session in sessions),
            "timers": len(self._reactor.getDelayedCalls()),
            "deferreds": sum(isinstance(thing, Deferred) for thing in objects),
            "objects": len(objects),
            "threads": threading.active_count(),
        }

    def _asked(self, *_: object) -> None:
        # Python calls this between any two instructions; the reactor calls between two events.
        self._reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        line = " ".join([f"{name}={number}" for name, number in self.counts().items()])
        _log.info("Diagnostics: {line}", line=line)
