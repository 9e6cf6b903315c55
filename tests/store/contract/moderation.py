"""The contract of the store: what operators do, and what the nodes hear of it."""

from __future__ import annotations

import math

import pytest
from pytest_twisted import ensureDeferred

from chatroom.protocol.messages import LOBBY, SEQ_ZERO
from chatroom.store.events import AccountStatusEvent, AddressesEvent, AnnounceEvent, DeletedEvent
from chatroom.store.interface import Store
from chatroom.store.records import Account, Action, Measure, Outcome, Sanction, Token
from tests.store.contract.accounts import BIGGEST_ID, account
from tests.store.contract.nodes import (
    LIFETIME,
    Nodes,
    heard_all,
    people,
    person,
    post,
    say,
    tell,
    until,
)

ODD_REASON = "\u00fc 0 \n'\\\" spam"


async def read_account(store: Store, user_id: int) -> Account:
    found = await store.account(user_id)
    assert found is not None
    return found


class ModerationContract:
    # ---- bans and mutes

    @pytest.mark.parametrize("measure", Measure)
    @ensureDeferred
    async def test_what_is_imposed_for_good_holds_until_it_is_lifted(
        self, nodes: Nodes, measure: Measure
    ) -> None:
        store = await nodes.make()
        await people(store, BIGGEST_ID)
        assert await store.impose(BIGGEST_ID, measure, seconds=0, reason=ODD_REASON)
        found = await read_account(store, BIGGEST_ID)
        sanction = found.banned if measure is Measure.BAN else found.muted
        assert sanction == Sanction(until=0, reason=ODD_REASON, left=math.inf)
        assert (found.banned is None) == (measure is Measure.MUTE)
        assert await store.sanctioned() == [BIGGEST_ID]
        assert await store.lift(BIGGEST_ID, measure)
        found = await read_account(store, BIGGEST_ID)
        assert (found.banned, found.muted) == (None, None)
        assert await store.sanctioned() == []
        assert not await store.lift(BIGGEST_ID, measure)

    @ensureDeferred
    async def test_what_is_imposed_for_a_time_ends_by_itself(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, 1)
        await store.impose(1, Measure.BAN, seconds=100, reason="")
        await store.impose(1, Measure.MUTE, seconds=3600, reason="")
        found = await read_account(store, 1)
        assert found.banned is not None
        assert found.muted is not None
        assert 0 < found.banned.left <= 100
        assert 3500 < found.muted.left <= 3600
        assert 3500_000 <= found.muted.until - found.banned.until < 3600_000
        await nodes.pass_time(101)
        assert (await read_account(store, 1)).banned is None
        assert (await read_account(store, 1)).muted is not None
        assert await store.sanctioned() == [1]
        assert not await store.lift(1, Measure.BAN)

    @ensureDeferred
    async def test_nothing_can_be_imposed_on_nobody(self, nodes: Nodes) -> None:
        store = await nodes.make()
        assert not await store.impose(1, Measure.BAN, seconds=0, reason="")
        assert await store.account(1) is None
        assert await store.sanctioned() == []
        assert await store.create_account(account(1))

    @ensureDeferred
    async def test_the_nodes_that_hold_the_user_hear_of_it(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        other, elsewhere = await nodes.started("two")
        await people(store, 1, 2)
        await store.update_presence([person(1)], [])
        await other.update_presence([person(2)], [])
        await other.impose(1, Measure.MUTE, seconds=0, reason="")
        await other.lift(1, Measure.MUTE)
        await heard_all(other, told, elsewhere)
        assert (told.mail, elsewhere.mail) == ([AccountStatusEvent(owner=1)] * 2, [])

    # ---- addresses

    @ensureDeferred
    async def test_a_network_is_banned_until_that_ends(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await store.ban_addresses("192.0.2.0/24", seconds=0, reason=ODD_REASON)
        await store.ban_addresses("2001:db8::/32", seconds=100, reason="")
        bans = await store.banned_addresses()
        assert bans["192.0.2.0/24"] == Sanction(until=0, reason=ODD_REASON)
        assert 0 < bans["2001:db8::/32"].left <= 100
        await nodes.pass_time(101)
        assert list(await store.banned_addresses()) == ["192.0.2.0/24"]
        assert not await store.unban_addresses("2001:db8::/32")
        assert not await store.unban_addresses("192.0.2.0/25")
        assert await store.unban_addresses("192.0.2.0/24")
        assert await store.banned_addresses() == {}

    @ensureDeferred
    async def test_every_node_hears_that_other_addresses_are_banned(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        _, elsewhere = await nodes.started("two")
        await store.ban_addresses("192.0.2.1/32", seconds=0, reason="")
        await until(lambda: told.moderation and elsewhere.moderation)
        await store.unban_addresses("192.0.2.1/32")
        await until(lambda: len(told.moderation) == len(elsewhere.moderation) == 2)
        assert told.moderation == elsewhere.moderation == [AddressesEvent()] * 2

    # ---- announcements

    @ensureDeferred
    async def test_every_living_node_hears_an_announcement_once(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        _, elsewhere = await nodes.started("two")
        dead, unheard = await nodes.started("three")
        await nodes.crash(dead)
        await nodes.pass_time(1.25 * LIFETIME)
        assert await store.announce(ODD_REASON) == 2
        await heard_all(store, told, elsewhere)
        [event] = told.moderation
        assert isinstance(event, AnnounceEvent)
        assert event.text == ODD_REASON
        assert event.at >= 1_700_000_000_000
        assert (elsewhere.moderation, unheard.moderation) == ([event], [])

    # ---- deleting

    @ensureDeferred
    async def test_a_deleted_account_is_gone_with_all_that_is_its_own(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, 1, 2)
        await store.create_token("of 1", Token(user_id=1, generation=0), lifetime=100)
        await store.create_token("of 2", Token(user_id=2, generation=0), lifetime=100)
        sent = await tell(store, 1, 2, "hello")
        await tell(store, 2, 1, "hello yourself")
        await store.mark_read(1, 2, sent.seq, "")
        await store.impose(1, Measure.MUTE, seconds=0, reason="")
        await store.remember_address(1, "192.0.2.1", most=10, lifetime=100)
        assert await store.delete_account(1)
        assert await store.account(1) is None
        # Else only guesses at the account would count from there.
        await store.count_failure(1, "192.0.2.1", window=100)
        assert await store.guess_wait(1, "192.0.2.1", by_address=1, at_account=100) > 0
        assert await store.token("of 1") is None
        assert await store.token("of 2") is not None
        state = await store.mailbox_state(1)
        assert (state.newest, state.unread, state.read) == (SEQ_ZERO, 0, {})
        assert await store.mailbox_after(1, SEQ_ZERO, 10) == []
        assert await store.user_ids(0, 10) == [2]
        assert await store.sanctioned() == []
        assert not await store.delete_account(1)

    @ensureDeferred
    async def test_a_deleted_id_is_never_given_out_again(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, 1)
        await store.delete_account(1)
        assert not await store.create_account(account(1))
        assert await store.account(1) is None

    @ensureDeferred
    async def test_an_account_of_the_original_program_can_be_deleted(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await nodes.leave_legacy_account(account(password="123456", legacy=True))
        assert await store.delete_account(100)
        assert await nodes.legacy_text(100) is None
        assert not await store.create_account(account(100))

    @ensureDeferred
    async def test_nothing_more_is_sent_to_or_by_a_deleted_account(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, 1, 2)
        await store.delete_account(1)
        for receipt in (await tell(store, 2, 1, "hello?"), await tell(store, 1, 2, "boo", "id")):
            assert receipt.outcome is Outcome.NO_RECIPIENT
        assert (await store.mailbox_state(1)).newest == SEQ_ZERO
        assert await store.mailbox_after(2, SEQ_ZERO, 10) == []

    @ensureDeferred
    async def test_what_it_wrote_stays_and_is_read_without_its_name(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        await people(store, 1, 2)
        await say(store, 1, "from one")
        await say(store, 2, "from two")
        await tell(store, 1, 2, "psst")
        await store.delete_account(1)
        await until(lambda: told.moderation)
        assert told.moderation == [DeletedEvent(user_id=1)]
        later, _ = await nodes.started("two")
        for reader in (store, later):
            after = await reader.room_after(LOBBY, SEQ_ZERO, 10)
            assert (await reader.room_before(LOBBY, None, 10)).entries == after
            named = [(one.post.user_id, one.post.name, one.post.content) for one in after]
            assert named == [(1, "", "from one"), (2, "user 2", "from two")]
            [private] = await reader.mailbox_after(2, SEQ_ZERO, 10)
            assert (await reader.mailbox_before(2, 1, None, 10)).entries == [private]
            assert (private.post.name, private.post.content) == ("", "psst")

    @ensureDeferred
    async def test_the_node_that_holds_a_deleted_user_hears_of_it(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        await people(store, 1)
        await store.update_presence([person(1)], [])
        await store.delete_account(1)
        await until(lambda: told.mail)
        assert told.mail == [AccountStatusEvent(owner=1)]

    # ---- looking

    @ensureDeferred
    async def test_accounts_are_listed_page_by_page(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await people(store, 3, 20, 1, BIGGEST_ID)
        await nodes.leave_legacy_account(account(password="123456", legacy=True))
        await say(store, 3, "with keys of its own")
        assert await store.user_ids(0, 10) == [1, 3, 20, 100, BIGGEST_ID]
        assert await store.user_ids(0, 2) == [1, 3]
        assert await store.user_ids(3, 2) == [20, 100]
        assert await store.user_ids(BIGGEST_ID, 2) == []

    @ensureDeferred
    async def test_who_is_online_where_is_told_of_the_living_nodes(self, nodes: Nodes) -> None:
        store, _ = await nodes.started("one")
        other, _ = await nodes.started("two")
        await store.update_presence([person(1), person(2)], [])
        await other.update_presence([person(2)], [])
        online = await store.online()
        assert {name: {one.user_id for one in users} for name, users in online.items()} == {
            "one": {1, 2},
            "two": {2},
        }
        await nodes.crash(other)
        await nodes.pass_time(1.25 * LIFETIME)
        assert list(await store.online()) == ["one"]

    @ensureDeferred
    async def test_the_tokens_of_an_account_are_counted_with_the_time_they_have(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        for digest, owner, lifetime in (("a", 1, 2000), ("b", 1, 1000), ("c", 2, 3000)):
            token = Token(user_id=owner, generation=0)
            await store.create_token(digest, token, lifetime=lifetime)
        assert [round(seconds, -3) for seconds in await store.token_lifetimes(1)] == [1000, 2000]
        assert await store.token_lifetimes(3) == []

    @ensureDeferred
    async def test_where_an_account_logged_in_from_is_told_newest_first(self, nodes: Nodes) -> None:
        store = await nodes.make()
        for address, lifetime in (("192.0.2.9", 50), ("192.0.2.1", 1000), ("2001:db8::/64", 2000)):
            await store.remember_address(1, address, most=10, lifetime=lifetime)
        await store.remember_address(2, "192.0.2.2", most=10, lifetime=100)
        # The store counts in whole seconds here.
        await nodes.pass_time(52)
        found = await store.login_addresses(1)
        assert list(found) == ["2001:db8::/64", "192.0.2.1"]
        apart = found["2001:db8::/64"] - found["192.0.2.1"]
        assert 998_000 <= apart <= 1_100_000
        assert await store.login_addresses(3) == {}

    # ---- the record

    @ensureDeferred
    async def test_what_operators_did_is_kept_in_order(self, nodes: Nodes) -> None:
        store = await nodes.make()
        assert await store.actions(10) == []
        done = [
            Action(name="ban", target="1", reason=ODD_REASON, by="root"),
            Action(name="announce", reason="hello"),
        ]
        for action in done:
            await store.record(action)
        found = await store.actions(10)
        assert all(action.at >= 1_700_000_000_000 for action in found)
        for action in found:
            action.at = 0
        assert found == done
        assert [action.name for action in await store.actions(1)] == ["announce"]

    @ensureDeferred
    async def test_a_private_message_of_a_living_sender_keeps_its_name(self, nodes: Nodes) -> None:
        store, told = await nodes.started("one")
        await people(store, 1, 2, 3)
        await store.delete_account(3)
        await until(lambda: told.moderation)
        await store.append_private(post(1, "hi", to=2))
        [entry] = await store.mailbox_after(2, SEQ_ZERO, 10)
        assert entry.post.name == "user 1"
