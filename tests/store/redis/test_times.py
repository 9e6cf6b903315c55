"""What is told with a time has it from the store's clock, whatever the streams' places say."""

from __future__ import annotations

import io
import json
from argparse import Namespace

import msgspec
from pytest_twisted import ensureDeferred

from chatroom.admin.context import Context
from chatroom.admin.output import Output, when
from chatroom.admin.queries import export, show
from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.events import AnnounceEvent
from chatroom.store.records import Action, Outcome
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import FUTURE, Start, people, post, tell, until


def now(valkey: Valkey) -> int:
    """The store's clock, in milliseconds since 1970."""
    reply = valkey.ask("TIME").split(b"\r\n")
    return int(reply[2]) * 1000 + int(reply[4]) // 1000


@ensureDeferred
async def test_a_message_was_sent_when_the_stores_clock_said_so(
    valkey: Valkey, start: Start
) -> None:
    store, _ = await start()
    before = now(valkey)
    await store.append_to_room(LOBBY, post(1, "hi"))
    [entry] = await store.room_after(LOBBY, SEQ_ZERO, 10)
    assert before <= entry.sent_at <= now(valkey)


@ensureDeferred
async def test_an_announcement_is_of_now(valkey: Valkey, start: Start) -> None:
    store, told = await start()
    before = now(valkey)
    # From now on this node's events have their places there.
    old = ("u", "0", "k", "announce", "t", "old")
    valkey.ask("XADD", "chatroom:node:one:events", f"{FUTURE}-0", *old)
    await store.announce("new")
    await until(lambda: len(told.moderation) == 2)
    first, second = told.moderation
    assert first == AnnounceEvent(text="old", at=FUTURE)
    assert second.text == "new"
    assert before <= second.at <= now(valkey)


@ensureDeferred
async def test_the_record_of_what_operators_did_has_the_times_of_then(
    valkey: Valkey, start: Start
) -> None:
    store, _ = await start()
    old = msgspec.json.encode(Action(name="kick", target="1")).decode()
    valkey.ask("XADD", "chatroom:audit", f"{FUTURE}-0", "a", old)
    before = now(valkey)
    await store.record(Action(name="ban", target="2"))
    first, second = await store.actions(10)
    assert (first.name, first.at) == ("kick", FUTURE)
    assert second.name == "ban"
    assert before <= second.at <= now(valkey)


@ensureDeferred
async def test_what_is_sent_again_and_no_longer_held_is_known_all_the_same(
    valkey: Valkey, start: Start
) -> None:
    store, _ = await start()
    first = await store.append_to_room(LOBBY, post(1, "hi", id="a"))
    valkey.ask("XTRIM", "chatroom:room:lobby", "MAXLEN", "0")
    again = await store.append_to_room(LOBBY, post(1, "hi", id="a"))
    assert (again.outcome, again.seq) == (Outcome.DUPLICATE, first.seq)
    assert again.sent_at == first.seq.ms


@ensureDeferred
async def test_operators_see_when_a_message_was_sent(valkey: Valkey, start: Start) -> None:
    store, _ = await start()
    await people(store, 1, 2)
    message = msgspec.json.encode(post(2, "old", to=1)).decode()
    valkey.ask("XADD", "chatroom:mailbox:1", f"{FUTURE}-0", "f", "2", "m", message, "c", "200")
    await tell(store, 2, 1, "new")
    [*_, new] = await store.mailbox_after(1, SEQ_ZERO, 10)
    stream = io.StringIO()
    context = Context(store, Output(json=True, stream=stream))
    await show(context, Namespace(id=1))
    shown = json.loads(stream.getvalue())
    stream.truncate(stream.seek(0))
    await export(context, Namespace(id=1))
    times = [one["time"] for one in json.loads(stream.getvalue())["mailbox"]]
    assert times[0] == "2100-01-01T00:00:00Z"
    assert times[1] == shown["mailbox"]["newest"] == when(new.sent_at)
    assert new.sent_at < FUTURE
