"""What the fuzzer found, each as a test of its own."""

from __future__ import annotations

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.dialects import DIALECT_1
from tests.wire import frames


def test_an_error_longer_than_a_message_may_be_reaches_the_original_client_cut() -> None:
    """Its words become a message's content, which was then refused as too long."""
    blob = DIALECT_1.encode([wire.ErrorMes(code=400, error="x" * (wire.MAX_CONTENT + 1))])
    messages = [codec.decode(payload) for piece in blob for payload in frames(piece)]
    said = "".join([message.content for message in messages if isinstance(message, wire.SmsMes)])
    assert said.replace("[系统] ", "") == "x" * wire.MAX_CONTENT
