"""Sends one message to many outboxes, encoded once for each codec."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob, Codec


class Broadcast:
    """The outboxes of many sessions, by codec and class; a message to all touches nothing else."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Codec, type[Outbox]], dict[str, Outbox]] = {}

    def add(self, tag: str, codec: Codec, outbox: Outbox) -> None:
        """The session with that tag gets what is sent from now on."""
        self._groups.setdefault((codec, type(outbox)), {})[tag] = outbox

    def remove(self, tag: str) -> None:
        """The session gets nothing more. Nothing happens if it was never added."""
        for group in self._groups.values():
            group.pop(tag, None)

    def codecs(self) -> set[Codec]:
        """Those that at least one session has."""
        return {codec for (codec, _), group in self._groups.items() if group}

    def tell(self, blob_for: Callable[[Codec], Blob], *, exclude: Collection[str] = ()) -> None:
        """Send to each what ``blob_for`` gives for its codec.

        :param exclude: tags of sessions that do not get it.
        """
        blobs = {codec: blob_for(codec) for codec in self.codecs()}
        for (codec, kind), group in tuple(self._groups.items()):
            # A put may end a session, which changes the dict: loop over a copy.
            others = group.copy()
            for tag in exclude:
                others.pop(tag, None)
            if others:
                kind.put_to_all(others.values(), blobs[codec])
