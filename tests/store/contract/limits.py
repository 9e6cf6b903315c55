"""The contract of the store: what is to be had only so often."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from chatroom.store.interface import Store
from tests.store.contract.nodes import Nodes, at_once

HERE, THERE = "192.0.2.1", "2001:db8::/64"
#: Seconds; failures of an address, and at an account, before one has to wait.
WINDOW, BY_ADDRESS, AT_ACCOUNT = 100, 2, 4


async def fail(store: Store, user_id: int, address: str, times: int = 1) -> None:
    for _ in range(times):
        await store.count_failure(user_id, address, window=WINDOW)


async def wait(store: Store, user_id: int, address: str) -> int:
    return await store.guess_wait(user_id, address, by_address=BY_ADDRESS, at_account=AT_ACCOUNT)


class LimitsContract:
    # ---- the login throttle

    @ensureDeferred
    async def test_an_address_waits_after_its_failures_whomever_they_were_about(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        await fail(store, 0, HERE)
        assert await wait(store, 1, HERE) == 0
        await fail(store, 2, HERE)
        assert 0 < await wait(store, 1, HERE) <= WINDOW
        assert await wait(store, 0, HERE) > 0
        assert await wait(store, 2, THERE) == 0
        assert await wait(await nodes.make("two"), 1, HERE) > 0

    @ensureDeferred
    async def test_everybody_waits_after_the_failures_at_an_account(self, nodes: Nodes) -> None:
        store = await nodes.make()
        for number in range(AT_ACCOUNT):
            assert await wait(store, 1, THERE) == 0
            await fail(store, 1, f"192.0.2.{number}")
        assert await wait(store, 1, THERE) > 0
        assert await wait(store, 2, THERE) == 0

    @ensureDeferred
    async def test_failures_are_forgotten_some_time_after_the_first(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await store.count_failure(1, HERE, window=WINDOW // 2)
        await store.count_failure(1, HERE, window=WINDOW)
        assert 0 < await wait(store, 1, HERE) <= WINDOW // 2
        await nodes.pass_time(WINDOW // 2 + 1)
        assert await wait(store, 1, HERE) == 0
        await fail(store, 1, HERE)
        assert await wait(store, 1, HERE) == 0

    @ensureDeferred
    async def test_an_address_that_has_logged_in_before_waits_for_its_own_failures_alone(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        await store.remember_address(1, HERE, most=20, lifetime=WINDOW)
        await fail(store, 0, HERE, BY_ADDRESS)
        await fail(store, 1, THERE, AT_ACCOUNT)
        assert await wait(store, 1, HERE) == 0
        assert await wait(store, 2, HERE) > 0
        await fail(store, 1, HERE, AT_ACCOUNT - 1)
        assert await wait(store, 1, HERE) == 0
        await fail(store, 1, HERE)
        assert await wait(store, 1, HERE) > 0

    @ensureDeferred
    async def test_where_somebody_logged_in_is_forgotten_in_time(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await store.remember_address(1, HERE, most=20, lifetime=WINDOW // 2)
        await store.remember_address(1, THERE, most=20, lifetime=WINDOW)
        await fail(store, 0, HERE, BY_ADDRESS)
        await fail(store, 0, THERE, BY_ADDRESS)
        assert await wait(store, 1, HERE) == 0
        # The store counts in whole seconds here.
        await nodes.pass_time(WINDOW // 2 + 2)
        assert await wait(store, 1, HERE) > 0
        assert await wait(store, 1, THERE) == 0

    @ensureDeferred
    async def test_only_the_newest_addresses_are_known(self, nodes: Nodes) -> None:
        store = await nodes.make()
        for number, address in enumerate(("a", "b", "a", "c")):
            # Newest is told by the second.
            await store.remember_address(1, address, most=2, lifetime=WINDOW + 2 * number)
        for address in ("a", "b", "c"):
            await fail(store, 0, address, BY_ADDRESS)
        waits = [await wait(store, 1, address) for address in ("a", "b", "c")]
        assert [seconds > 0 for seconds in waits] == [False, True, False]

    # ---- the rest

    @ensureDeferred
    async def test_of_many_at_once_no_more_take_one_than_may(self, nodes: Nodes) -> None:
        stores = [await nodes.make("one"), await nodes.make("two")]
        waits = await at_once(
            stores[n % 2].acquire("bread", most=3, window=WINDOW) for n in range(10)
        )
        assert waits.count(0) == 3
        assert all(0 < wait <= WINDOW for wait in waits if wait)
        assert await stores[0].acquire("butter", most=3, window=WINDOW) == 0

    @ensureDeferred
    async def test_what_was_taken_is_there_again_in_time(self, nodes: Nodes) -> None:
        store = await nodes.make()
        assert await store.acquire("bread", most=1, window=WINDOW // 2) == 0
        assert 0 < await store.acquire("bread", most=1, window=WINDOW) <= WINDOW // 2
        await nodes.pass_time(WINDOW // 2 + 1)
        assert await store.acquire("bread", most=1, window=WINDOW) == 0
