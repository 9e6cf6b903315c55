"""What the library needs of Twisted, said so that a type checker can hold it.

zope's interfaces mean nothing to a type checker without a plugin; these are their shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory


class Timer(Protocol):
    """`twisted.internet.interfaces.IDelayedCall`."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...
    def getTime(self) -> float: ...  # noqa: N802  # Twisted's name


class Clock(Protocol):
    """`twisted.internet.interfaces.IReactorTime`: a reactor, or a test's clock."""

    def seconds(self) -> float: ...
    def callLater(  # noqa: N802  # Twisted's name
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  # Twisted's name
        *args: object,
        **kw: object,
    ) -> Timer: ...


class Endpoint(Protocol):
    """`twisted.internet.interfaces.IStreamClientEndpoint`."""

    def connect(self, factory: Factory, /) -> Deferred[Any]: ...
