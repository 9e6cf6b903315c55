"""The contract of the store: accounts and tokens."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from pytest_twisted import ensureDeferred

from chatroom.store.records import MOST_TOKENS, Account, Token
from tests.store.contract.nodes import Nodes, at_once

BIGGEST_ID = 2**53 - 1
ODD_NAMES = ["Anna", 'say "hi" \\ \'', "小明", "👩‍🚀 émile", "%s {0} }} \\n", '"userStatus":2}']


def account(user_id: int = 100, **changes: object) -> Account:
    made = Account(user_id=user_id, name="scott", password="$argon2id$hash", sex="女")
    return replace(made, **changes)


class AccountsContract:
    @ensureDeferred
    async def test_an_account_comes_back_as_it_was_stored(self, nodes: Nodes) -> None:
        store = await nodes.make()
        stored = account(status=2, generation=3)
        assert await store.account(100) is None
        assert await store.create_account(stored)
        assert await store.account(100) == stored
        assert await (await nodes.make("two")).account(100) == stored

    @pytest.mark.parametrize("name", ODD_NAMES)
    @pytest.mark.parametrize("user_id", [1, BIGGEST_ID])
    @ensureDeferred
    async def test_any_name_and_id_will_do(self, nodes: Nodes, name: str, user_id: int) -> None:
        store = await nodes.make()
        stored = account(user_id, name=name)
        assert await store.create_account(stored)
        assert await store.account(user_id) == stored

    @ensureDeferred
    async def test_digits_in_texts_stay_texts(self, nodes: Nodes) -> None:
        store = await nodes.make()
        stored = account(name="007", password="0123", sex="1.50")
        await store.create_account(stored)
        assert await store.account(100) == stored

    @ensureDeferred
    async def test_of_many_who_register_one_id_at_once_exactly_one_wins(self, nodes: Nodes) -> None:
        stores = [await nodes.make("one"), await nodes.make("two")]
        tries = [account(name=f"try {number}") for number in range(20)]
        won = await at_once(stores[n % 2].create_account(one) for n, one in enumerate(tries))
        assert won.count(True) == 1
        assert await stores[0].account(100) == tries[won.index(True)]

    # ---- passwords

    @ensureDeferred
    async def test_a_password_is_replaced_only_if_it_is_the_one_that_was_checked(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        await store.create_account(account())
        assert await store.replace_password(account(), "new", void_tokens=True)
        assert not await store.replace_password(account(), "newer", void_tokens=True)
        assert await store.account(100) == account(password="new", generation=1)

    @ensureDeferred
    async def test_a_mere_rehash_leaves_the_tokens_valid(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await store.create_account(account(generation=4))
        assert await store.replace_password(account(), "stronger", void_tokens=False)
        assert await store.account(100) == account(password="stronger", generation=4)

    @ensureDeferred
    async def test_nobody_has_no_password(self, nodes: Nodes) -> None:
        store = await nodes.make()
        assert not await store.replace_password(account(), "new", void_tokens=True)
        assert await store.account(100) is None

    # ---- accounts of the original program

    @ensureDeferred
    async def test_an_account_of_the_original_program_is_found(self, nodes: Nodes) -> None:
        old = account(password="123456", legacy=True)
        await nodes.leave_legacy_account(old)
        assert await (await nodes.make()).account(100) == old

    @ensureDeferred
    async def test_its_id_is_taken(self, nodes: Nodes) -> None:
        store = await nodes.make()
        old = account(password="123456", legacy=True)
        await nodes.leave_legacy_account(old)
        assert not await store.create_account(account())
        assert await store.account(100) == old

    @ensureDeferred
    async def test_hashing_its_password_makes_it_ours_and_removes_the_clear_text(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        old = account(password="123456", legacy=True)
        await nodes.leave_legacy_account(old)
        assert await store.replace_password(old, "$argon2id$", void_tokens=False)
        assert await store.account(100) == account(password="$argon2id$")
        assert await nodes.legacy_text(100) is None
        assert not await store.replace_password(old, "again", void_tokens=False)

    @ensureDeferred
    async def test_it_is_not_adopted_with_another_password_than_was_checked(
        self, nodes: Nodes
    ) -> None:
        store = await nodes.make()
        old = account(password="123456", legacy=True)
        await nodes.leave_legacy_account(old)
        guessed = replace(old, password="guess")
        assert not await store.replace_password(guessed, "$argon2id$", void_tokens=False)
        assert await store.account(100) == old

    # ---- status

    @ensureDeferred
    async def test_a_status_is_kept(self, nodes: Nodes) -> None:
        store = await nodes.make()
        await store.create_account(account())
        await store.set_status(100, 2)
        assert await store.account(100) == account(status=2)

    # ---- tokens

    @ensureDeferred
    async def test_a_token_is_held_for_its_lifetime(self, nodes: Nodes) -> None:
        store = await nodes.make()
        token = Token(user_id=BIGGEST_ID, generation=7)
        await store.create_token("d1", token, lifetime=50)
        assert await store.token("d1") == token
        await nodes.pass_time(51)
        assert await store.token("d1") is None

    @ensureDeferred
    async def test_a_token_that_was_replaced_still_works_for_a_while(self, nodes: Nodes) -> None:
        store = await nodes.make()
        token = Token(user_id=100, generation=0)
        await store.create_token("old", token, lifetime=1000)
        await store.create_token("new", token, lifetime=1000, replaces="old")
        assert await store.token("old") == token
        assert await store.token("new") == token

    @ensureDeferred
    async def test_of_too_many_tokens_those_that_lapse_first_are_void(self, nodes: Nodes) -> None:
        store = await nodes.make()
        token, other = (Token(user_id=user_id, generation=0) for user_id in (100, 101))
        await store.create_token("other", other, lifetime=1000)
        for n in range(MOST_TOKENS):
            await store.create_token(f"d{n}", token, lifetime=1000)
        await store.delete_token("d5")
        await store.create_token("new", token, lifetime=1000, replaces="d7")
        assert [n for n in range(MOST_TOKENS) if await store.token(f"d{n}") is None] == [5]
        await store.create_token("newer", token, lifetime=1000)
        await store.create_token("newest", token, lifetime=1000)
        void = [n for n in range(MOST_TOKENS) if await store.token(f"d{n}") is None]
        assert void == [0, 5, 7]
        for digest in ("new", "newer", "newest"):
            assert await store.token(digest) == token
        assert await store.token("other") == other

    @ensureDeferred
    async def test_a_token_that_is_not_known_can_be_replaced(self, nodes: Nodes) -> None:
        store = await nodes.make()
        token = Token(user_id=100, generation=0)
        await store.create_token("new", token, lifetime=1000, replaces="lapsed")
        assert await store.token("new") == token
        assert await store.token("lapsed") is None

    @ensureDeferred
    async def test_deleting_a_token_deletes_the_one_that_it_replaced(self, nodes: Nodes) -> None:
        store = await nodes.make()
        token = Token(user_id=100, generation=0)
        await store.create_token("old", token, lifetime=1000)
        await store.create_token("new", token, lifetime=1000, replaces="old")
        await store.create_token("other", token, lifetime=1000)
        await store.delete_token("new")
        assert [await store.token(digest) for digest in ("old", "new", "other")] == [
            None,
            None,
            token,
        ]
        await store.delete_token("new")
