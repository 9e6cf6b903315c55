"""The contract of the store: when a message was sent, which its place does not tell."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.records import Entry, Outcome
from tests.store.contract.nodes import FUTURE, Nodes, people, person, post, say, tell, until

#: Long ago, but after all clocks of these tests began.
PAST = 1_700_000_000_000


def is_now(entry: Entry) -> bool:
    return PAST <= entry.sent_at < FUTURE


class TimesContract:
    @ensureDeferred
    async def test_a_message_has_its_own_time_behind_one_whose_place_is_in_the_future(
        self, nodes: Nodes
    ) -> None:
        await nodes.leave_in_future(LOBBY, post(1, "of an earlier version"))
        store, told = await nodes.started()
        await say(store, 1, "live")
        old, new = await store.room_after(LOBBY, SEQ_ZERO, 10)
        assert old.sent_at == old.seq.ms == FUTURE
        assert new.seq > old.seq
        assert is_now(new)
        assert (await store.room_before(LOBBY, None, 10)).entries == [old, new]
        await until(lambda: told.room)
        assert told.room == [new]

    @ensureDeferred
    async def test_a_private_message_has_one_time_in_both_mailboxes_and_on_the_bus(
        self, nodes: Nodes
    ) -> None:
        store, told = await nodes.started()
        await people(store, 1, 2)
        await nodes.leave_in_future(2, post(1, "of an earlier version", to=2))
        await store.update_presence([person(1), person(2)], [])
        await tell(store, 1, 2, "hi", id="a")
        [mine] = await store.mailbox_after(1, SEQ_ZERO, 10)
        old, theirs = await store.mailbox_after(2, SEQ_ZERO, 10)
        assert old.sent_at == old.seq.ms == FUTURE
        assert theirs.seq > old.seq
        assert is_now(theirs)
        assert mine.sent_at == theirs.sent_at
        assert (await store.mailbox_before(2, 1, None, 1)).entries == [theirs]
        await until(lambda: len(told.mail) >= 2)
        assert {event.entry.sent_at for event in told.mail} == {mine.sent_at}  # type: ignore[union-attr]

    @ensureDeferred
    async def test_what_is_sent_again_has_the_time_of_its_first_sending(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        await store.append_to_room(LOBBY, post(1, "hi", id="a"))
        await nodes.pass_time(0.2)
        again = await store.append_to_room(LOBBY, post(1, "hi", id="a"))
        [entry] = await store.room_after(LOBBY, SEQ_ZERO, 10)
        assert again.outcome is Outcome.DUPLICATE
        assert again.sent_at == entry.sent_at

    @ensureDeferred
    async def test_a_place_in_the_future_costs_nothing_of_the_order(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        before = await say(store, 1, "before")
        await nodes.leave_in_future(LOBBY, post(1, "then"))
        after = await say(store, 1, "a", "b")
        entries = await store.room_after(LOBBY, SEQ_ZERO, 10)
        assert [entry.post.content for entry in entries] == ["before", "then", "a", "b"]
        assert before < after
        await until(lambda: told.texts()[-1:] == ["b"])
