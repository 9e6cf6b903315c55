"""Telling the library's user what happens, come what may in the user's code."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatroom import wire
from chatroom.client.model import Gap, Incoming, State

_log = Logger()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the user wants to be told; see `chatroom.client.ChatClient`."""

    text: Callable[[Incoming], object] | None = None
    presence: Callable[[list[wire.Person], int], object] | None = None
    state: Callable[[State], object] | None = None
    gap: Callable[[Gap], object] | None = None
    mark: Callable[[wire.ReadMes | wire.ReceivedMes], object] | None = None


def tell(callback: Callable[..., object] | None, *what: object) -> None:
    """Call the user's function, which may be a coroutine function; what it raises is logged."""
    if callback is None:
        return
    try:
        result = callback(*what)
    except Exception:  # noqa: BLE001  # whatever the user's code does, the client goes on
        _log.failure("a chat client's callback failed")
        return
    if inspect.iscoroutine(result):
        result = Deferred.fromCoroutine(result)
    if isinstance(result, Deferred):
        result.addErrback(_failed_later)


def _failed_later(failure: Any) -> None:
    _log.failure("a chat client's callback failed", failure)
