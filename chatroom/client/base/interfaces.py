"""What the library needs of Twisted, as shapes that a type checker can hold.

Time is in `chatroom.common.clock`, which says why.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from chatroom.common.clock import Clock, Timer

__all__ = ["Clock", "Endpoint", "Timer"]


class Endpoint(Protocol):
    """`twisted.internet.interfaces.IStreamClientEndpoint`."""

    def connect(self, factory: Factory, /) -> Deferred[Any]: ...
