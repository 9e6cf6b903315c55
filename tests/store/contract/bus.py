"""The contract of the store: presence, marks that others hear of, and nodes that come and go."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred

from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.events import EndEvent, Ending, PrivateEvent, ReadEvent, ReceivedEvent
from tests.store.contract.accounts import BIGGEST_ID, ODD_NAMES
from tests.store.contract.nodes import (
    LIFETIME,
    Nodes,
    Recorder,
    heard_all,
    people,
    person,
    say,
    tell,
    until,
)


class BusContract:
    # ---- presence

    @ensureDeferred
    async def test_other_nodes_see_who_comes_and_goes(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        _, told = await nodes.started("two")
        ann, ben = person(1, "Ann"), person(BIGGEST_ID, "Ben")
        await one.update_presence([ann, ben], [])
        await until(lambda: told.people("one") == {1: ann, BIGGEST_ID: ben})
        await one.update_presence([], [BIGGEST_ID])
        await until(lambda: told.people("one") == {1: ann})
        await one.reset_presence([ben])
        await until(lambda: told.people("one") == {BIGGEST_ID: ben})
        _, told_late = await nodes.started("three")
        assert told_late.people("one") == {BIGGEST_ID: ben}

    @ensureDeferred
    async def test_a_node_that_starts_is_told_first_who_is_online_elsewhere(
        self, nodes: Nodes
    ) -> None:
        one, _ = await nodes.started("one")
        await one.update_presence([person(1, "Ann")], [])
        two, told = await nodes.make("two"), Recorder()
        await two.start(told, [LOBBY])
        assert [event.node for event in told.presence] == ["one"]
        assert told.presence[0].reset
        assert told.people("one") == {1: person(1, "Ann")}

    @pytest.mark.parametrize("name", ODD_NAMES)
    @ensureDeferred
    async def test_a_status_is_seen_on_every_node(self, nodes: Nodes, name: str) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        somebody = person(BIGGEST_ID, name)
        for store in (one, two):
            await store.update_presence([somebody, person(2)], [])
        await one.set_status(BIGGEST_ID, 2)
        busy = person(BIGGEST_ID, name, 2)
        assert told_one.people("one")[BIGGEST_ID] == busy
        await until(lambda: told_one.people("two").get(BIGGEST_ID) == busy)
        await until(lambda: told_two.people("one").get(BIGGEST_ID) == busy)
        assert told_two.people("one")[2] == person(2)
        _, told_three = await nodes.started("three")
        assert told_three.people("one")[BIGGEST_ID] == busy

    @ensureDeferred
    async def test_stopping_takes_a_nodes_users_offline(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        await people(two, 1, 2)
        await one.update_presence([person(1)], [])
        await until(lambda: told.people("one"))
        await one.stop()
        await until(lambda: not told.people("one"))
        assert (await tell(two, 2, 1, "hi")).code == 202

    @ensureDeferred
    async def test_many_users_are_told_of_at_once(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        crowd = [person(number, f"user {number}") for number in range(1, 20_001)]
        await one.reset_presence(crowd)
        await until(lambda: len(told.people("one")) == 20_000)
        await one.update_presence([], [one.user_id for one in crowd[1:]])
        await until(lambda: len(told.people("one")) == 1)
        _, told_late = await nodes.started("three")
        assert told_late.people("one") == {1: crowd[0]}
        await two.stop()

    # ---- nodes that die

    @ensureDeferred
    async def test_a_dead_nodes_users_go_offline(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        await people(two, 1, 2)
        await one.update_presence([person(1)], [])
        await until(lambda: told.people("one"))
        await nodes.crash(one)
        await nodes.pass_time(1.25 * LIFETIME)
        await until(lambda: not told.people("one"))
        assert (await tell(two, 2, 1, "hi")).code == 202

    @ensureDeferred
    async def test_whom_a_silent_node_holds_counts_as_offline_at_once(self, nodes: Nodes) -> None:
        silent, told = await nodes.started("silent")
        other = await nodes.make("other")
        await people(other, 1, 2)
        await silent.update_presence([person(1)], [])
        await nodes.freeze(silent)
        await nodes.pass_time(1.25 * LIFETIME)
        assert (await tell(other, 2, 1, "hi")).code == 202
        await nodes.thaw(silent)
        await until(lambda: told.leases_lost == 1)
        await heard_all(other, told)
        assert told.mail == []

    @ensureDeferred
    async def test_the_next_run_of_a_node_clears_what_the_last_one_left(self, nodes: Nodes) -> None:
        first, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        await people(two, 1, 2)
        await first.update_presence([person(1)], [])
        await tell(two, 2, 1, "for the first run")
        await nodes.crash(first)
        again, told_again = await nodes.started("one")
        await until(lambda: not told.people("one"))
        _, told_late = await nodes.started("three")
        assert told_late.people("one") == {}
        assert (await tell(two, 2, 1, "for the mailbox")).code == 202
        await again.update_presence([person(1)], [])
        assert (await tell(two, 2, 1, "for the second")).code == 200
        await until(lambda: told_again.mail)
        assert [event.entry.post.content for event in told_again.mail_of(PrivateEvent)] == [
            "for the second"
        ]

    @ensureDeferred
    async def test_a_former_run_that_stops_late_leaves_the_next_one_alone(
        self, nodes: Nodes
    ) -> None:
        former, _ = await nodes.started("one")
        await nodes.freeze(former)
        again, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        await people(two, 1, 2)
        await again.update_presence([person(1)], [])
        await former.stop()
        assert (await tell(two, 2, 1, "hi")).code == 200
        await until(lambda: told.people("one") == {1: person(1)})

    @ensureDeferred
    async def test_a_node_that_was_taken_for_dead_is_told_and_can_come_back(
        self, nodes: Nodes
    ) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        await people(two, 1, 2)
        await one.update_presence([person(1)], [])
        await until(lambda: told_two.people("one"))
        await nodes.freeze(one)
        await nodes.pass_time(1.25 * LIFETIME)
        await until(lambda: not told_two.people("one"))
        await say(two, 2, "meanwhile")
        assert told_one.leases_lost == 0
        await nodes.thaw(one)
        await until(lambda: told_one.leases_lost)
        await until(lambda: told_one.texts() == ["meanwhile"])
        await one.reset_presence([person(1)])
        await until(lambda: told_two.people("one"))
        assert (await tell(two, 2, 1, "hi")).code == 200
        await until(lambda: told_one.mail)

    @ensureDeferred
    async def test_a_node_that_beats_is_never_told_that_it_lapsed(self, nodes: Nodes) -> None:
        one, told_one = await nodes.started("one")
        _, told_two = await nodes.started("two")
        await one.update_presence([person(1)], [])
        await nodes.pass_time(1.5 * LIFETIME)
        assert (told_one.leases_lost, told_two.leases_lost) == (0, 0)
        assert told_two.people("one") == {1: person(1)}

    # ---- marks

    @ensureDeferred
    async def test_a_received_mark_is_told_where_the_user_is_online(self, nodes: Nodes) -> None:
        one, told_one = await nodes.started("one")
        two, told_two = await nodes.started("two")
        await people(one, 1, 2)
        await tell(one, 1, 2, "hi")
        await two.update_presence([person(2)], [])
        [entry] = await one.mailbox_after(2, SEQ_ZERO, 10)
        await one.mark_received(2, entry.seq, "phone")
        await one.mark_received(2, entry.seq, "phone")
        await heard_all(one, told_one, told_two)
        assert told_two.mail == [ReceivedEvent(owner=2, origin="phone", seq=entry.seq)]
        assert told_one.mail == []

    @ensureDeferred
    async def test_a_read_mark_is_told_where_the_user_is_online(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        two, told = await nodes.started("two")
        await people(one, 1, 2)
        await tell(one, 1, 2, "hi")
        await two.update_presence([person(2)], [])
        [entry] = await one.mailbox_after(2, SEQ_ZERO, 10)
        await one.mark_read(2, 1, entry.seq, "phone")
        await one.mark_read(2, 1, entry.seq, "phone")
        await heard_all(one, told)
        assert told.mail == [ReadEvent(owner=2, origin="phone", peer=1, seq=entry.seq)]

    @ensureDeferred
    async def test_the_nodes_that_hold_a_user_hear_that_the_sessions_end(
        self, nodes: Nodes
    ) -> None:
        store, told = await nodes.started("one")
        other, elsewhere = await nodes.started("two")
        await store.update_presence([person(1)], [])
        await other.update_presence([person(2)], [])
        await other.end_sessions(1, Ending.PASSWORD_CHANGED, except_session="s", text="why: \u00fc")
        await heard_all(other, told, elsewhere)
        event = EndEvent(owner=1, origin="s", ending=Ending.PASSWORD_CHANGED, text="why: \u00fc")
        assert (told.mail, elsewhere.mail) == ([event], [])

    @ensureDeferred
    async def test_a_new_password_ends_the_users_sessions_but_one(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        other, elsewhere = await nodes.started("two")
        await people(store, 1)
        account = await store.account(1)
        assert account is not None
        await store.update_presence([person(1)], [])
        await other.update_presence([person(1)], [])
        assert await store.replace_password(account, "rehashed", void_tokens=False)
        account.password = "rehashed"
        assert await store.replace_password(account, "new", void_tokens=True, except_session="s")
        assert not await store.replace_password(account, "newer", void_tokens=True)
        await heard_all(other, told, elsewhere)
        event = EndEvent(owner=1, origin="s", ending=Ending.PASSWORD_CHANGED)
        assert (told.mail, elsewhere.mail) == ([event], [event])

    # ---- what the nodes count

    @ensureDeferred
    async def test_what_a_node_has_counted_is_seen_from_every_node(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        two, _ = await nodes.started("two")
        assert await two.counters() == {"one": {}, "two": {}}
        await one.keep_counters({"too fast": 3, "malformed": 2**40})
        await one.keep_counters({"too fast": 4})
        assert await two.counters() == {"one": {"too fast": 4}, "two": {}}

    @ensureDeferred
    async def test_a_node_that_starts_again_counts_from_nothing(self, nodes: Nodes) -> None:
        one, _ = await nodes.started("one")
        other, _ = await nodes.started("two")
        await one.keep_counters({"too fast": 3})
        await nodes.crash(one)
        assert (await other.counters()).get("one", {"too fast": 3}) == {"too fast": 3}
        await nodes.started("one")
        assert (await other.counters())["one"] == {}
