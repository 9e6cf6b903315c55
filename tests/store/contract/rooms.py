"""The contract of the store: a room's order, its history, and ids that are taken once."""

from __future__ import annotations

from pytest_twisted import ensureDeferred
from twisted.internet.defer import gatherResults

from chatroom.protocol.messages import LOBBY, SEQ_ZERO, Seq
from chatroom.store.records import REMEMBERED_IDS, Outcome
from tests.store.contract.nodes import Nodes, Recorder, post, say, until

#: The last place that a client can name.
UTMOST = Seq(10**19 - 1, 10**19 - 1)


class RoomContract:
    @ensureDeferred
    async def test_an_empty_room_begins_at_zero(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        state = await store.room_state(LOBBY)
        assert (state.newest, state.trimmed) == (SEQ_ZERO, SEQ_ZERO)
        assert await store.room_after(LOBBY, SEQ_ZERO, 10) == []
        page = await store.room_before(LOBBY, None, 10)
        assert (page.entries, page.more) == ([], False)

    @ensureDeferred
    async def test_posts_are_stored_in_the_order_of_the_calls(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        texts = [f"text {number}" for number in range(1200)]
        receipts = await gatherResults([store.append_to_room(LOBBY, post(1, t)) for t in texts])
        seqs = [receipt.seq for receipt in receipts]
        assert all(receipt.outcome is Outcome.STORED for receipt in receipts)
        assert seqs == sorted(set(seqs))
        assert [entry.post.content for entry in await store.room_after(LOBBY, SEQ_ZERO, 2000)] == (
            texts
        )
        await until(lambda: len(told.room) == len(texts))
        assert [entry.seq for entry in told.room] == seqs
        assert (await store.room_state(LOBBY)).newest == seqs[-1]

    @ensureDeferred
    async def test_two_nodes_hear_one_order(self, nodes: Nodes) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        for number in range(20):
            await gatherResults([one.append_to_room(LOBBY, post(1, f"one {number}"))])
            await gatherResults([two.append_to_room(LOBBY, post(2, f"two {number}"))])
        await until(lambda: len(told_one.room) == len(told_two.room) == 40)
        assert told_one.room == told_two.room
        assert told_one.room == await one.room_after(LOBBY, SEQ_ZERO, 100)

    @ensureDeferred
    async def test_a_post_comes_back_as_it_was(self, nodes: Nodes) -> None:
        store, told = await nodes.started()
        odd = post(2**53 - 1, '"\\ 你好 👩‍🚀 \u2028 007', id="an id", origin="session 1")
        receipt = await store.append_to_room(LOBBY, odd)
        await until(lambda: told.room)
        assert told.room[0].post == odd
        assert told.room[0].seq == receipt.seq
        assert told.room[0].code == 200

    @ensureDeferred
    async def test_a_node_is_told_of_what_comes_after_its_start_only(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        [before] = await say(one, 1, "before")
        two = await nodes.make("two")
        told = Recorder()
        places = await two.start(told, [LOBBY])
        assert places == {LOBBY: before}
        await say(one, 1, "after")
        await until(lambda: told.room)
        assert told.texts() == ["after"]

    # ---- ids

    @ensureDeferred
    async def test_a_message_sent_again_is_stored_once_and_gets_the_same_seq(
        self, nodes: Nodes
    ) -> None:
        one, told = await nodes.started("one")
        two, _ = await nodes.started("two")
        first = await one.append_to_room(LOBBY, post(1, "hi", id="a", origin="phone"))
        again = await two.append_to_room(LOBBY, post(1, "hi", id="a", origin="laptop"))
        assert first.outcome is Outcome.STORED
        assert (again.outcome, again.seq, again.code) == (Outcome.DUPLICATE, first.seq, 200)
        await say(one, 1, "end")
        await until(lambda: "end" in told.texts())
        assert told.texts() == ["hi", "end"]

    @ensureDeferred
    async def test_twice_in_one_turn_is_once_too(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        posts = [post(1, text, id="a") for text in ("hi", "hi", "ho")]
        receipts = await gatherResults([store.append_to_room(LOBBY, one) for one in posts])
        assert [receipt.outcome for receipt in receipts] == [
            Outcome.STORED,
            Outcome.DUPLICATE,
            Outcome.CONFLICT,
        ]
        assert receipts[0].seq == receipts[1].seq

    @ensureDeferred
    async def test_an_id_stands_for_one_content(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        await store.append_to_room(LOBBY, post(1, "hi", id="a"))
        receipt = await store.append_to_room(LOBBY, post(1, "ho", id="a"))
        assert receipt.outcome is Outcome.CONFLICT
        assert len(await store.room_after(LOBBY, SEQ_ZERO, 10)) == 1

    @ensureDeferred
    async def test_ids_are_each_senders_own(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        await store.append_to_room(LOBBY, post(1, "hi", id="a b"))
        receipt = await store.append_to_room(LOBBY, post(2, "hi", id="a b"))
        assert receipt.outcome is Outcome.STORED

    @ensureDeferred
    async def test_without_an_id_every_message_is_a_new_one(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        first, second = await say(store, 1, "hi", "hi")
        assert first < second

    @ensureDeferred
    async def test_the_last_thousand_ids_of_a_sender_are_remembered(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()

        async def send(number: int) -> Outcome:
            sent = post(1, f"text {number}", id=f"id {number}")
            return (await store.append_to_room(LOBBY, sent)).outcome

        await gatherResults(
            [
                store.append_to_room(LOBBY, post(1, f"text {n}", id=f"id {n}"))
                for n in range(REMEMBERED_IDS)
            ]
        )
        assert await send(0) is Outcome.DUPLICATE
        assert await send(REMEMBERED_IDS) is Outcome.STORED
        assert await send(1) is Outcome.DUPLICATE
        assert await send(0) is Outcome.STORED

    # ---- history

    @ensureDeferred
    async def test_pages_go_back_to_the_first_message(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        await say(store, 1, *(f"text {number}" for number in range(10)))
        pages, before = [], None
        while True:
            page = await store.room_before(LOBBY, before, 4)
            pages.append([entry.post.content[5:] for entry in page.entries])
            if not page.more:
                break
            before = page.entries[0].seq
        assert pages == [["6", "7", "8", "9"], ["2", "3", "4", "5"], ["0", "1"]]

    @ensureDeferred
    async def test_there_is_no_more_when_a_page_ends_at_the_first_message(
        self, nodes: Nodes
    ) -> None:
        store, _ = await nodes.started()
        seqs = await say(store, 1, "a", "b", "c")
        whole = await store.room_before(LOBBY, None, 3)
        assert ([entry.seq for entry in whole.entries], whole.more) == (seqs, False)
        before_first = await store.room_before(LOBBY, seqs[0], 3)
        assert (before_first.entries, before_first.more) == ([], False)
        assert (await store.room_before(LOBBY, SEQ_ZERO, 3)).entries == []
        for beyond in (Seq(seqs[-1].ms + 10**9, 0), UTMOST):
            assert (await store.room_before(LOBBY, beyond, 1)).entries[0].seq == seqs[-1]
            assert await store.room_after(LOBBY, beyond, 1) == []

    @ensureDeferred
    async def test_reading_on_starts_right_after_a_place(self, nodes: Nodes) -> None:
        store, _ = await nodes.started()
        seqs = await say(store, 1, "a", "b", "c")
        after = await store.room_after(LOBBY, seqs[0], 10)
        assert [entry.seq for entry in after] == seqs[1:]
        assert len(await store.room_after(LOBBY, SEQ_ZERO, 2)) == 2
        assert await store.room_after(LOBBY, seqs[-1], 10) == []

    @ensureDeferred
    async def test_trimming_keeps_the_newest_and_knows_what_it_dropped(self, nodes: Nodes) -> None:
        store, _ = await nodes.started(room_history=20)
        seqs = await say(store, 1, *(f"text {number}" for number in range(150)))
        held = [entry.seq for entry in await store.room_after(LOBBY, SEQ_ZERO, 1000)]
        state = await store.room_state(LOBBY)
        assert 20 <= len(held) <= 120
        assert held == seqs[-len(held) :]
        assert state.trimmed == seqs[-len(held) - 1]
        assert state.newest == seqs[-1]
        assert not (await store.room_before(LOBBY, None, 1000)).more
