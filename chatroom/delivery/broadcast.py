"""Many outboxes that get the same: encoded once for each codec, put in each one's quickest way."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chatroom.delivery.outbox import Outbox
from chatroom.protocol.dialects import Blob, Codec


class Audience:
    """The ways out of many sessions; all that a message to everybody touches of them."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Codec, type[Outbox]], dict[str, Outbox]] = {}

    def add(self, tag: str, codec: Codec, outbox: Outbox) -> None:
        """Let the session with that tag hear what comes from now on."""
        self._groups.setdefault((codec, type(outbox)), {})[tag] = outbox

    def remove(self, tag: str) -> None:
        """That session hears nothing more; it may never have been here."""
        for group in self._groups.values():
            group.pop(tag, None)

    def codecs(self) -> set[Codec]:
        """Those that somebody here has."""
        return {codec for (codec, _), group in self._groups.items() if group}

    def tell(self, blob_for: Callable[[Codec], Blob], *, but: Collection[str] = ()) -> None:
        """Put to everybody what ``blob_for`` gives for their codec.

        :param but: tags of sessions that are left out.
        """
        blobs = {codec: blob_for(codec) for codec in self.codecs()}
        for (codec, kind), group in tuple(self._groups.items()):
            # A put may end a session, and so change the dict: go through a copy.
            others = group.copy()
            for tag in but:
                others.pop(tag, None)
            if others:
                kind.put_to_all(others.values(), blobs[codec])
