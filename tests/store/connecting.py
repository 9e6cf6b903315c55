"""What tests of connections to Redis share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import txredisapi

from chatroom.store.connection import Connection, LossNoticed
from chatroom.store.interface import StoreUnavailable

#: Seconds that a reply may take in these tests.
TIMEOUT = 1.0

#: Makes connections, and ends them after the test.
Connect = Callable[..., Connection]


class PureProtocol(LossNoticed, txredisapi.BaseRedisProtocol):  # type: ignore[misc]  # no types
    """With txredisapi's own parser, as where hiredis is not installed."""


async def why(connection: Connection, *command: object) -> str:
    """The reason why a command fails."""
    with pytest.raises(StoreUnavailable) as caught:
        await connection.call(*command or ("PING",))
    assert "\n" not in str(caught.value)
    return str(caught.value)
