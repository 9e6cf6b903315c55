"""Encodes and decodes messages and frames, with no I/O.

A frame is a 4-byte unsigned big-endian length and that many bytes of UTF-8 JSON,
``{"type": NAME, "data": "<JSON text>"}``.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from chatroom.protocol.messages import MESSAGES, PREFIX_BYTES, Code, Message, MessageId, TooLong


class WireError(Exception):
    """What arrived is no valid message.

    ``fatal`` says that the connection's framing can't be trusted any more, so it must be closed;
    ``type_name`` is the message's type, if that much could be decoded.
    """

    def __init__(
        self,
        text: str,
        *,
        code: Code = Code.MALFORMED,
        fatal: bool = False,
        type_name: str | None = None,
        message_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.fatal = fatal
        self.type_name = type_name
        self.message_id = message_id


class _Envelope(msgspec.Struct):
    type: str
    data: str = "{}"


_encode = msgspec.json.encode
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(cls) for name, cls in MESSAGES.items()
}
#: `RecursionError`: arrays nested deeper than Python's stack.
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: What the envelope of each message class begins with.
_openings: Final = {cls: b'{"type":"%b","data":' % name.encode() for name, cls in MESSAGES.items()}
_pack_length = struct.Struct("!I").pack


def encode(message: Message) -> bytes:
    """The message's envelope as JSON, with no length prefix.

    :raises UnicodeEncodeError: a text in it has lone surrogates.
    """
    data = _encode(_encode(message).decode())
    return b"%b%b}" % (_openings[type(message)], data)


#: How clients of other protocols begin.
_GREETINGS: Final = {
    "HTTP": (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "),
    "SSH": (b"SSH-",),
    "TLS": (b"\x16\x03",),
}


def other_protocol(length: int) -> str | None:
    """The other protocol whose greeting was read as a frame's length; None: it is none."""
    begin = length.to_bytes(PREFIX_BYTES) if length < 2**32 else b""
    for protocol, words in _GREETINGS.items():
        if begin.startswith(words):
            return protocol
    return None


def frame(payload: bytes) -> bytes:
    """``payload`` with its length before it."""
    return _pack_length(len(payload)) + payload


def decode(payload: bytes) -> Message:
    """Read one frame's payload.

    :raises WireError: it is no JSON envelope (``fatal``), of an unknown type, or its data is not
        what that type wants.
    """
    try:
        envelope = _envelope_decoder.decode(payload)
    except _DECODE_ERRORS as error:
        raise WireError(f"not a message: {_why(error)}", fatal=True) from None
    decoder = _decoders.get(envelope.type)
    if decoder is None:
        raise WireError(f"unknown type {envelope.type[:40]!r}", type_name=envelope.type)
    try:
        # Some clients send an empty text for types without fields.
        message: Message = decoder.decode(envelope.data or "{}")
    except _DECODE_ERRORS as error:
        too_long = isinstance(error.__cause__, TooLong)
        raise WireError(
            f"{envelope.type}: {_why(error)}",
            code=Code.TOO_LARGE if too_long else Code.MALFORMED,
            type_name=envelope.type,
            message_id=_salvage_id(envelope.data),
        ) from None
    return message


class _OnlyId(msgspec.Struct):
    id: MessageId


_id_decoder = msgspec.json.Decoder(_OnlyId)


def _salvage_id(data: str) -> str | None:
    """The ``id`` of a malformed message, so that its sender can tell what the error is about."""
    try:
        found = _id_decoder.decode(data).id
    except _DECODE_ERRORS:
        return None
    return found if found.isprintable() else None


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)
