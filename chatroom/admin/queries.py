"""The commands that only read: accounts, all about one, bans, servers, what operators did."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from chatroom.accounts.login_throttle import KNOWN_FOR
from chatroom.admin.context import Context
from chatroom.admin.output import as_json, encode, in_words, when
from chatroom.protocol.messages import LOBBY, SEQ_ZERO, Person, Seq, Status
from chatroom.store.interface import Store
from chatroom.store.records import Account, Entry, Sanction

#: Messages read from the store at once.
PAGE = 1000

#: As `Store.room_after`, with the room or mailbox given.
_Read = Callable[[Seq, int], Awaitable[list[Entry]]]


def _places(online: dict[str, list[Person]]) -> dict[int, list[str]]:
    """The nodes that each user is online on."""
    places: dict[int, list[str]] = {}
    for node in sorted(online):
        for person in online[node]:
            places.setdefault(person.user_id, []).append(node)
    return places


def _summary(account: Account, places: dict[int, list[str]]) -> dict[str, Any]:
    return {
        "id": account.user_id,
        "name": account.name,
        "online": places.get(account.user_id, []),
        **_sanctions(account),
    }


def _sanctions(account: Account) -> dict[str, Any]:
    both = {"banned": account.banned, "muted": account.muted}
    return {name: sanction and as_json(sanction) for name, sanction in both.items()}


def _state(user: dict[str, Any]) -> str:
    states = [
        f"{word} {in_words(user[word])}" for word in ("banned", "muted") if user[word] is not None
    ]
    return ", ".join(states) or "-"


async def users(context: Context, args: Namespace) -> None:
    """List accounts, by id."""
    places = _places(await context.store.online())
    if args.online:
        ids = sorted(user_id for user_id in places if user_id > args.after)[: args.limit + 1]
    else:
        ids = await context.store.user_ids(args.after, args.limit + 1)
    found = [
        _summary(account, places)
        for user_id in ids[: args.limit]
        if (account := await context.store.account(user_id)) is not None
    ]
    following = ids[args.limit - 1] if len(ids) > args.limit else None
    rows = [
        (user["id"], ",".join(user["online"]) or "-", _state(user), user["name"]) for user in found
    ]
    if following is not None:
        rows.append((f"more: --after {following}", "", "", ""))
    context.output.table(
        {"users": found, "next": following}, ("ID", "ONLINE ON", "STATE", "NAME"), rows
    )


async def show(context: Context, args: Namespace) -> None:
    """All about one account but its messages."""
    account = await context.account(args.id)
    mailbox = await context.store.mailbox_state(args.id)
    messages, place, newest = 0, SEQ_ZERO, None
    while page := await context.store.mailbox_after(args.id, place, PAGE):
        messages, place, newest = messages + len(page), page[-1].seq, when(page[-1].sent_at)
    tokens = await context.store.token_lifetimes(args.id)
    value = _summary(account, _places(await context.store.online())) | {
        "status": "busy" if account.status == Status.BUSY else "online",
        "sex": account.sex,
        "original": account.legacy,
        "mailbox": {
            "messages": messages,
            "unread": mailbox.unread,
            "newest": newest,
        },
        "tokens": len(tokens),
        "addresses": await last_logins(context.store, args.id),
    }
    lines = [
        f"id       {value['id']}",
        f"name     {value['name']}",
        f"online   {', '.join(value['online']) or 'no'}",
        f"status   {value['status']}",
        f"sex      {value['sex'] or '-'}",
        f"banned   {in_words(value['banned']) or 'no'}",
        f"muted    {in_words(value['muted']) or 'no'}",
        f"mailbox  {messages} messages, {mailbox.unread} of them unread"
        + (f", the newest of {newest}" if newest else ""),
        f"tokens   {len(tokens)}",
    ]
    lines += [f"login    {one['last']} from {one['address']}" for one in value["addresses"]]
    if account.legacy:
        lines.append("         an account of the original program that never logged in here")
    context.output.give(value, lines)


async def last_logins(store: Store, user_id: int) -> list[dict[str, str]]:
    """Where an account was logged in to, and when last from each address, the newest first."""
    known = await store.login_addresses(user_id)
    return [
        {"address": address, "last": when(until - 1000 * KNOWN_FOR)}
        for address, until in known.items()
    ]


async def export(context: Context, args: Namespace) -> None:
    """All that is held about one account, as one JSON value.

    It is written piece by piece: a mailbox and a room can be larger than memory should have to be.
    """
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
            **_sanctions(account),
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
    room = _all(lambda after, n: store.room_after(LOBBY, after, n))
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


async def bans(context: Context, args: Namespace) -> None:  # noqa: ARG001  # has the shape of the others
    """List what is in force."""
    accounts: list[dict[str, Any]] = []
    muted: list[dict[str, Any]] = []
    rows: list[tuple[object, ...]] = []
    for user_id in await context.store.sanctioned():
        account = await context.store.account(user_id)
        if account is None:
            continue
        who = {"id": user_id, "name": account.name}
        for kind, sanction, found in (
            ("ban", account.banned, accounts),
            ("mute", account.muted, muted),
        ):
            if sanction is not None:
                found.append(who | as_json(sanction))
                rows.append((kind, user_id, *_columns(sanction)))
    addresses = []
    for network, sanction in sorted((await context.store.banned_addresses()).items()):
        addresses.append({"network": network} | as_json(sanction))
        rows.append(("ban", network, *_columns(sanction)))
    context.output.table(
        {"accounts": accounts, "addresses": addresses, "muted": muted},
        ("KIND", "TARGET", "UNTIL", "REASON"),
        rows,
    )


def _columns(sanction: Sanction) -> tuple[str, str]:
    return when(sanction.until) if sanction.until else "for good", sanction.reason


async def nodes(context: Context, args: Namespace) -> None:  # noqa: ARG001  # has the shape of the others
    """List the servers that run."""
    online = await context.store.online()
    found = [{"name": name, "online": len(online[name])} for name in sorted(online)]
    context.output.table(
        {"nodes": found}, ("NODE", "ONLINE"), [(node["name"], node["online"]) for node in found]
    )


async def counters(context: Context, args: Namespace) -> None:  # noqa: ARG001  # as above
    """List what each server has refused since its start."""
    found = await context.store.counters()
    rows = [
        (node, name, found[node][name]) for node in sorted(found) for name in sorted(found[node])
    ]
    context.output.table({"counters": found}, ("NODE", "REFUSED", "COUNT"), rows)


async def log(context: Context, args: Namespace) -> None:
    """List what operators did, oldest first."""
    found = [
        {
            "time": when(action.at),
            "action": action.name,
            "target": action.target,
            "reason": action.reason,
            "by": action.by,
        }
        for action in await context.store.actions(args.limit)
    ]
    context.output.table(
        {"actions": found},
        ("TIME", "BY", "ACTION", "TARGET", "REASON"),
        [(one["time"], one["by"], one["action"], one["target"], one["reason"]) for one in found],
    )
