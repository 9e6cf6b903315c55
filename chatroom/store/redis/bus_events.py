"""What the bus brings besides messages, as events: of presence, mailboxes and operators."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatroom.protocol.messages import Person, Seq
from chatroom.store.events import (
    AccountStatusEvent,
    AddressesEvent,
    AnnounceEvent,
    DeletedEvent,
    DuplicateEvent,
    EndEvent,
    Ending,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
    PrivateEvent,
    ReadEvent,
    ReceivedEvent,
)
from chatroom.store.redis.conversations import Fields, entry_from, sent_at_of

_people_decoder = msgspec.json.Decoder(list[Person])
_ids_decoder = msgspec.json.Decoder(list[int])


def presence_from(_seq: bytes, fields: Fields) -> PresenceEvent:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return PresenceEvent(
        node=named[b"n"].decode(),
        present=_people_decoder.decode(named[b"p"]),
        gone=_ids_decoder.decode(named[b"g"]),
        reset=named.get(b"r") == b"1",
    )


_MODERATION: dict[bytes, Callable[[bytes, dict[bytes, bytes]], ModerationEvent]] = {
    b"announce": lambda seq, named: AnnounceEvent(
        text=named[b"t"].decode(), at=int(named.get(b"at", Seq.parse(seq).ms))
    ),
    b"addresses": lambda _seq, _named: AddressesEvent(),
    b"deleted": lambda _seq, named: DeletedEvent(user_id=int(named[b"d"])),
}


def event_from(seq: bytes, fields: Fields) -> MailboxEvent | ModerationEvent:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    owner, kind = int(named[b"u"]), named[b"k"]
    if kind == b"private":
        return PrivateEvent(owner=owner, entry=entry_from(named[b"s"], fields))
    if kind in _MODERATION:
        return _MODERATION[kind](seq, named)
    if kind == b"standing":
        return AccountStatusEvent(owner=owner)
    origin = named[b"o"].decode()
    if kind == b"end":
        why, text = Ending(named[b"w"].decode()), named[b"t"].decode()
        return EndEvent(owner=owner, origin=origin, ending=why, text=text)
    place = Seq.parse(named[b"s"])
    if kind == b"received":
        return ReceivedEvent(owner=owner, origin=origin, seq=place)
    if kind == b"read":
        return ReadEvent(owner=owner, origin=origin, peer=int(named[b"p"]), seq=place)
    return DuplicateEvent(
        owner=owner,
        origin=origin,
        id=named[b"i"].decode(),
        seq=place,
        code=int(named[b"c"]),
        sent_at=sent_at_of(place, named),
    )
