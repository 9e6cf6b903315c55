"""What tests of connections to Redis share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.connection import Connection

#: Seconds that a reply may take where a test does not say otherwise: none takes so long.
TIMEOUT = 120.0

#: Makes connections, and ends them after the test.
Connect = Callable[..., Connection]


async def why(connection: Connection, *command: object) -> str:
    """The reason why a command fails."""
    with pytest.raises(StoreUnavailable) as caught:
        await connection.call(*command or ("PING",))
    assert "\n" not in str(caught.value)
    return str(caught.value)
