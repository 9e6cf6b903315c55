"""Outgoing messages, held against the protocol before they are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chatroom import wire
from chatroom.client.errors import Refused, RegisterRefused

MessageT = TypeVar("MessageT", bound=wire.Message)


def checked(refused: type[Refused], build: Callable[[], MessageT]) -> tuple[MessageT, bytes]:
    """The message that ``build`` makes, and its payload.

    A server would refuse what the protocol does not allow, or not even be able to name it in its
    answer; so it is refused here, with the code that the server would use.

    :raises Refused: as ``refused``; the text says what is wrong.
    """
    try:
        message = build()
        payload = wire.encode(message)
        wire.decode(payload)
    # Of a text with lone surrogates a UnicodeEncodeError, which is a ValueError.
    except (ValueError, wire.WireError) as error:
        raise refused(_code(refused, error), str(error)) from None
    return message, payload


def _code(refused: type[Refused], error: Exception) -> wire.Code:
    if refused is RegisterRefused:
        return wire.Code.REGISTER_FAILED
    return wire.Code.TOO_LARGE if isinstance(error, wire.TooLong) else wire.Code.MALFORMED
