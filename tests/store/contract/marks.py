"""The contract of the store: what of a mailbox was received, and what was read."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from chatroom.protocol.messages import SEQ_ZERO, Seq
from chatroom.store.events import ReadEvent, ReceivedEvent
from chatroom.store.records import Account
from tests.store.contract.nodes import Nodes, heard_all, people, person, tell

ANN, BEN, CAT = 1, 2**53 - 1, 3


class MarkContract:
    @ensureDeferred
    async def test_the_received_mark_moves_forward_only(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN)
        for text in ("a", "b", "c"):
            await tell(store, ANN, BEN, text)
        seqs = [entry.seq for entry in await store.mailbox_after(BEN, SEQ_ZERO, 10)]
        await store.mark_received(BEN, seqs[1], "s")
        state = await store.mailbox_state(BEN)
        assert (state.received, state.unread) == (seqs[1], 1)
        await store.mark_received(BEN, seqs[0], "s")
        await store.mark_received(BEN, seqs[1], "s")
        assert await store.mailbox_state(BEN) == state

    @ensureDeferred
    async def test_a_mark_beyond_the_end_ends_there(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN)
        await tell(store, ANN, BEN, "a")
        newest = (await store.mailbox_state(BEN)).newest
        await store.mark_received(BEN, Seq(newest.ms + 10**9, 7), "s")
        await store.mark_read(BEN, ANN, Seq(10**19 - 1, 10**19 - 1), "s")
        state = await store.mailbox_state(BEN)
        assert (state.received, state.unread, state.read) == (newest, 0, {ANN: newest})
        await tell(store, ANN, BEN, "b")
        assert (await store.mailbox_state(BEN)).unread == 1

    @ensureDeferred
    async def test_marks_in_an_empty_mailbox_stay_at_zero(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, BEN)
        for place in (SEQ_ZERO, Seq(1, 0)):
            await store.mark_received(BEN, place, "s")
            await store.mark_read(BEN, ANN, place, "s")
        state = await store.mailbox_state(BEN)
        assert (state.received, state.unread, state.read) == (SEQ_ZERO, 0, {})
        assert (await store.mailbox_before(BEN, ANN, SEQ_ZERO, 5)).entries == []

    @ensureDeferred
    async def test_unread_counts_what_others_sent_after_the_mark(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN, CAT)
        for sender, to in [(ANN, BEN), (BEN, ANN), (CAT, BEN), (BEN, BEN), (ANN, BEN), (BEN, CAT)]:
            await tell(store, sender, to, f"{sender} to {to}")
        entries = await store.mailbox_after(BEN, SEQ_ZERO, 10)
        for number, left in enumerate([2, 2, 1, 1, 0, 0]):
            await store.mark_received(BEN, entries[number].seq, "s")
            assert (await store.mailbox_state(BEN)).unread == left
        assert (await store.mailbox_state(BEN)).received == entries[-1].seq

    @ensureDeferred
    async def test_with_nothing_left_unread_the_mark_is_at_the_end(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        await people(store, ANN, BEN)
        await tell(store, ANN, BEN, "question")
        await tell(store, BEN, ANN, "answer")
        await store.update_presence([person(BEN)], [])
        question, answer = await store.mailbox_after(BEN, SEQ_ZERO, 10)
        await store.mark_received(BEN, question.seq, "s")
        assert (await store.mailbox_state(BEN)).received == answer.seq
        await store.mark_received(BEN, answer.seq, "s")
        await heard_all(store, told)
        assert told.mail == [ReceivedEvent(owner=BEN, origin="s", seq=question.seq)]

    @ensureDeferred
    async def test_the_read_mark_is_one_for_each_peer_and_moves_forward_only(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN, CAT)
        for sender in (ANN, CAT, ANN):
            await tell(store, sender, BEN, "hi")
        seqs = [entry.seq for entry in await store.mailbox_after(BEN, SEQ_ZERO, 10)]
        await store.mark_read(BEN, ANN, seqs[2], "s")
        await store.mark_read(BEN, CAT, seqs[1], "s")
        await store.mark_read(BEN, ANN, seqs[0], "s")
        assert (await store.mailbox_state(BEN)).read == {ANN: seqs[2], CAT: seqs[1]}
        assert (await store.mailbox_state(BEN)).unread == 3

    @ensureDeferred
    async def test_who_does_not_exist_can_not_be_marked_as_read(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        await people(store, ANN, BEN)
        legacy = Account(user_id=7, name="Old", password="x", legacy=True)
        await nodes.leave_legacy_account(legacy)
        await tell(store, ANN, BEN, "hi")
        await store.update_presence([person(BEN)], [])
        newest = (await store.mailbox_state(BEN)).newest
        for peer in (CAT, 10**9, legacy.user_id):
            await store.mark_read(BEN, peer, newest, "s")
        assert (await store.mailbox_state(BEN)).read == {legacy.user_id: newest}
        await heard_all(store, told)
        assert told.mail == [ReadEvent(owner=BEN, origin="s", peer=legacy.user_id, seq=newest)]
