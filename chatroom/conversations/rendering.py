"""Stored messages as they are put on the wire."""

from __future__ import annotations

from msgspec import UNSET

from chatroom.protocol.messages import DELETED_NAME, AckMes, PrivateMes, SmsMes, Text
from chatroom.store.records import Entry

#: Bytes that are given to a connection at once while it catches up.
SLICE = 128 * 1024


def text_from(entry: Entry, room: str = "") -> Text:
    """A message for every session but the one that sent it.

    :param room: the room that it was sent to; empty: it is private.
    """
    post = entry.post
    kind = SmsMes if room else PrivateMes
    return kind(
        content=post.content,
        user_id=post.user_id,
        user_name=post.name or DELETED_NAME,
        user_status=post.status,
        sex=post.sex,
        room=room or UNSET,
        to_user_id=UNSET if room else post.to,
        id=post.id or UNSET,
        seq=str(entry.seq),
        sent_at=entry.sent_at,
    )


def ack_from(entry: Entry) -> AckMes:
    """A message of either kind, for the session that sent it."""
    return AckMes(id=entry.post.id, code=entry.code, seq=str(entry.seq), sent_at=entry.sent_at)


def size_of(entry: Entry) -> int:
    """About how many bytes the message is on the wire."""
    # JSON inside JSON, in UTF-8: four bytes a character is what texts come to at most.
    return 200 + 4 * len(entry.post.content)
