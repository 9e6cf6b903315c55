"""``chatroom-admin export``: all that is held about one account, as one JSON value."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from chatroom.admin.context import Context
from chatroom.admin.output import as_json, encode, when
from chatroom.admin.queries import PAGE, last_logins
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import SEQ_ZERO, Seq
from chatroom.store.records import Entry

#: As `Store.room_after`, with the room or mailbox given.
_Read = Callable[[Seq, int], Awaitable[list[Entry]]]


async def export(context: Context, args: Namespace) -> None:
    """Written piece by piece: a mailbox and a room can be larger than memory should have to be."""
    account = await context.account(args.id)
    await context.record("export", args.id)
    store, write = context.store, context.output.write
    state = await store.mailbox_state(args.id)
    head = {
        "account": {
            "id": account.user_id,
            "name": account.name,
            "status": account.status,
            "sex": account.sex,
            "original": account.legacy,
            "banned": as_json(account.banned),
            "muted": as_json(account.muted),
        },
        "tokens": [{"expires_in": seconds} for seconds in await store.token_lifetimes(args.id)],
        "addresses": await last_logins(store, args.id),
        "marks": {
            "received": str(state.received),
            "unread": state.unread,
            "read": [{"with": peer, "seq": str(seq)} for peer, seq in sorted(state.read.items())],
        },
    }
    write(encode(head).removesuffix("}") + ',\n"mailbox": [')
    await _write_all(write, _all(lambda after, n: store.mailbox_after(args.id, after, n)))
    write('],\n"room": [')
    room = _all(lambda after, n: store.room_after(wire.LOBBY, after, n))
    await _write_all(write, (entry async for entry in room if entry.post.user_id == args.id))
    write("]}")


async def _all(read: _Read) -> AsyncIterator[Entry]:
    place = SEQ_ZERO
    while page := await read(place, PAGE):
        for entry in page:
            yield entry
        place = page[-1].seq


async def _write_all(write: Callable[[str], None], entries: AsyncIterator[Entry]) -> None:
    before = ""
    async for entry in entries:
        write(before + encode(_message(entry)))
        before = ","


def _message(entry: Entry) -> dict[str, Any]:
    post = entry.post
    message: dict[str, Any] = {
        "seq": str(entry.seq),
        "time": when(entry.sent_at),
        "from": post.user_id,
        "name": post.name,
        "content": post.content,
    }
    if post.to:
        message["to"] = post.to
    return message
