"""The contract of the store: private messages, and what mailboxes hold."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults

from chatroom.protocol.messages import SEQ_ZERO
from chatroom.store.events import DuplicateEvent, PrivateEvent
from chatroom.store.interface import Store
from chatroom.store.records import Account, Outcome, Receipt
from tests.store.contract.nodes import Nodes, at_once, heard_all, people, person, post, tell, until

ANN, BEN, CAT = 1, 2**53 - 1, 3


async def texts(store: Store, user_id: int) -> list[str]:
    entries = await store.mailbox_after(user_id, SEQ_ZERO, 100_000)
    return [entry.post.content for entry in entries]


class MailboxContract:
    @ensureDeferred
    async def test_a_message_is_kept_in_both_mailboxes(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN)
        receipt = await tell(store, ANN, BEN, "hi 你好", id="a")
        assert (receipt.outcome, receipt.code) == (Outcome.STORED, 202)
        [mine] = await store.mailbox_after(ANN, SEQ_ZERO, 10)
        [theirs] = await store.mailbox_after(BEN, SEQ_ZERO, 10)
        assert mine.post == theirs.post == post(ANN, "hi 你好", id="a", to=BEN, origin="of 1")
        assert (mine.seq, mine.code) == (receipt.seq, 202)
        mine_state, their_state = [await store.mailbox_state(one) for one in (ANN, BEN)]
        assert (mine_state.newest, mine_state.unread) == (mine.seq, 0)
        assert (their_state.newest, their_state.unread) == (theirs.seq, 1)
        assert their_state.received == SEQ_ZERO

    @ensureDeferred
    async def test_the_nodes_that_hold_the_two_are_told(self, nodes: Nodes) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        _, told_three = await nodes.started("three")
        await people(one, ANN, BEN)
        await one.update_presence([person(ANN)], [])
        await two.update_presence([person(BEN)], [])
        receipt = await tell(one, ANN, BEN, "hi")
        assert (receipt.outcome, receipt.code) == (Outcome.STORED, 200)
        [mine] = await one.mailbox_after(ANN, SEQ_ZERO, 10)
        [theirs] = await one.mailbox_after(BEN, SEQ_ZERO, 10)
        await until(lambda: told_one.mail and told_two.mail)
        assert told_one.mail == [PrivateEvent(owner=ANN, entry=mine)]
        assert told_two.mail == [PrivateEvent(owner=BEN, entry=theirs)]
        assert told_three.mail == []

    @ensureDeferred
    async def test_a_user_on_two_nodes_is_told_on_both_until_one_goes(self, nodes: Nodes) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        await people(one, ANN, BEN)
        await at_once(store.update_presence([person(BEN)], []) for store in (one, two))
        await tell(one, ANN, BEN, "both")
        await until(lambda: told_one.mail and told_two.mail)
        await one.update_presence([], [BEN])
        assert (await tell(one, ANN, BEN, "second only")).code == 200
        await until(lambda: len(told_two.mail) == 2)
        assert len(told_one.mail) == 1
        await two.update_presence([], [BEN])
        assert (await tell(one, ANN, BEN, "nobody")).code == 202

    @ensureDeferred
    async def test_a_note_to_oneself_is_kept_once_and_never_unread(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        await people(store, ANN)
        await store.update_presence([person(ANN)], [])
        receipt = await tell(store, ANN, ANN, "milk")
        assert (receipt.outcome, receipt.code) == (Outcome.STORED, 200)
        assert await texts(store, ANN) == ["milk"]
        assert (await store.mailbox_state(ANN)).unread == 0
        await heard_all(store, told)
        assert len(told.mail) == 1
        page = await store.mailbox_before(ANN, ANN, None, 10)
        assert [entry.post.content for entry in page.entries] == ["milk"]

    @ensureDeferred
    async def test_nobody_gets_nothing(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN)
        assert (await tell(store, ANN, BEN, "hi", id="a")).outcome is Outcome.NO_RECIPIENT
        assert await texts(store, ANN) == []
        await people(store, BEN)
        assert (await tell(store, ANN, BEN, "hi", id="a")).outcome is Outcome.STORED

    @ensureDeferred
    async def test_an_account_of_the_original_program_has_a_mailbox_too(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN)
        await nodes.leave_legacy_account(
            Account(user_id=CAT, name="cat", password="123456", legacy=True)
        )
        assert (await tell(store, ANN, CAT, "hi")).outcome is Outcome.STORED
        assert await texts(store, CAT) == ["hi"]

    # ---- ids

    @ensureDeferred
    async def test_a_message_sent_again_is_kept_once_with_seq_and_code_as_before(
        self, nodes: Nodes
    ) -> None:
        one, told = await nodes.started("one")
        two = await nodes.make("two")
        await people(one, ANN, BEN)
        first = await tell(one, ANN, BEN, "hi", id="a")
        await one.update_presence([person(ANN), person(BEN)], [])
        again = await two.append_private(post(ANN, "hi", id="a", to=BEN, origin="phone"))
        assert (again.outcome, again.seq, again.code) == (Outcome.DUPLICATE, first.seq, 202)
        await until(lambda: told.mail)
        [stored] = await one.mailbox_after(ANN, SEQ_ZERO, 10)
        [event] = told.mail
        assert event == DuplicateEvent(
            owner=ANN, origin="phone", id="a", seq=first.seq, code=202, sent_at=stored.sent_at
        )
        assert await texts(one, BEN) == await texts(one, ANN) == ["hi"]
        assert (await one.mailbox_state(BEN)).unread == 1

    @pytest.mark.parametrize(("content", "to"), [("ho", BEN), ("hi", CAT)])
    @ensureDeferred
    async def test_an_id_stands_for_one_content_and_recipient(
        self, nodes: Nodes, content: str, to: int
    ) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN, CAT)
        await tell(store, ANN, BEN, "hi", id="a")
        assert (await tell(store, ANN, to, content, id="a")).outcome is Outcome.CONFLICT
        assert await texts(store, ANN) == ["hi"]

    # ---- limits

    @ensureDeferred
    async def test_a_full_mailbox_takes_nothing_until_something_was_received(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make(mailbox_unread=5)
        await people(store, ANN, BEN)
        for number in range(5):
            assert (await tell(store, ANN, BEN, f"{number}")).outcome is Outcome.STORED
        assert (await tell(store, ANN, BEN, "5", id="a")).outcome is Outcome.MAILBOX_FULL
        assert len(await texts(store, ANN)) == len(await texts(store, BEN)) == 5
        first = (await store.mailbox_after(BEN, SEQ_ZERO, 1))[0]
        await store.mark_received(BEN, first.seq, "s")
        assert (await tell(store, ANN, BEN, "5", id="a")).outcome is Outcome.STORED
        assert (await store.mailbox_state(BEN)).unread == 5

    @ensureDeferred
    async def test_who_never_confirms_what_came_can_not_send_for_ever(self, nodes: Nodes) -> None:
        store = await nodes.make(mailbox_unread=5)
        await people(store, ANN, BEN)
        await tell(store, BEN, ANN, "unconfirmed")
        outcomes = [(await tell(store, ANN, ANN, "note")).outcome for _ in range(10)]
        assert outcomes == [Outcome.STORED] * 9 + [Outcome.SENDER_FULL]
        await store.mark_received(ANN, (await store.mailbox_state(ANN)).newest, "s")
        assert (await tell(store, ANN, ANN, "note")).outcome is Outcome.STORED

    @ensureDeferred
    async def test_trimming_keeps_all_that_is_unread_and_the_newest_that_is_not(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make(mailbox_unread=1000, mailbox_history=10)
        await people(store, ANN, BEN)
        await gatherResults([tell_soon(store, f"text {number}") for number in range(300)])
        entries = await store.mailbox_after(BEN, SEQ_ZERO, 1000)
        assert len(entries) == 300
        await store.mark_received(BEN, entries[249].seq, "s")
        await tell(store, ANN, BEN, "the last")
        held = await store.mailbox_after(BEN, SEQ_ZERO, 1000)
        state = await store.mailbox_state(BEN)
        assert state.unread == 51
        assert 51 + 10 <= len(held) <= 51 + 110
        assert held[:-1] == entries[-len(held) + 1 :]
        assert state.trimmed == entries[-len(held)].seq

    @ensureDeferred
    async def test_the_senders_own_copies_are_trimmed_as_read(self, nodes: Nodes) -> None:
        store = await nodes.make(mailbox_unread=1000, mailbox_history=10)
        await people(store, ANN, BEN)
        await gatherResults([tell_soon(store, f"text {number}") for number in range(300)])
        held = await store.mailbox_after(ANN, SEQ_ZERO, 1000)
        assert 10 <= len(held) <= 110
        assert held[-1].post.content == "text 299"

    # ---- history

    @ensureDeferred
    async def test_history_is_of_two_people_and_both_ways(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN, CAT)
        for number in range(4):
            await tell(store, ANN, BEN, f"to {number}")
            await tell(store, CAT, BEN, "of another")
            await tell(store, BEN, ANN, f"back {number}")
            await tell(store, BEN, BEN, "a note")
        pages, before = [], None
        while True:
            page = await store.mailbox_before(BEN, ANN, before, 3)
            pages.append([entry.post.content for entry in page.entries])
            if not page.more:
                break
            before = page.entries[0].seq
        assert pages == [
            ["back 2", "to 3", "back 3"],
            ["to 1", "back 1", "to 2"],
            ["to 0", "back 0"],
        ]
        exactly = await store.mailbox_before(BEN, ANN, None, 8)
        assert (len(exactly.entries), exactly.more) == (8, False)

    @ensureDeferred
    async def test_history_looks_as_far_back_as_it_takes(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, ANN, BEN, CAT)
        await tell(store, CAT, BEN, "long ago")
        await gatherResults([tell_soon(store, f"text {number}") for number in range(1100)])
        page = await store.mailbox_before(BEN, CAT, None, 1)
        assert ([entry.post.content for entry in page.entries], page.more) == (["long ago"], False)
        longer = await store.mailbox_before(BEN, ANN, None, 1050)
        texts = [entry.post.content for entry in longer.entries]
        assert texts == [f"text {number}" for number in range(50, 1100)]


def tell_soon(store: Store, content: str) -> Deferred[Receipt]:
    return store.append_private(post(ANN, content, to=BEN))
