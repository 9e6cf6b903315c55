"""Accounts in Redis: what the contract can't say, because it is about the data itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chatroom.store.records import Account, Token
from chatroom.store.redis.accounts import TOKEN_GRACE
from chatroom.store.redis.store import RedisStore
from tests.doubles.valkey import Valkey


@pytest.fixture
def store(valkey: Valkey) -> Iterator[RedisStore]:
    store = RedisStore(reactor, valkey.address, node="one")
    blockon(store.connect())
    yield store
    blockon(Deferred.fromCoroutine(store.stop()))


def old(**changes: object) -> str:
    """An account as the original program wrote it."""
    account = {"userId": 100, "userPwd": "123456", "userName": "scott", "userStatus": 0, "sex": ""}
    return json.dumps({**account, **changes}, ensure_ascii=False)


@ensureDeferred
async def test_what_the_original_program_wrote_is_read(valkey: Valkey, store: RedisStore) -> None:
    valkey.ask("HSET", "users", "100", old(userName="小明", sex="男"))
    assert await store.account(100) == Account(
        user_id=100, name="小明", password="123456", sex="男", legacy=True
    )


@ensureDeferred
async def test_an_old_account_without_a_name_is_called_by_its_id(
    valkey: Valkey, store: RedisStore
) -> None:
    valkey.ask("HSET", "users", "100", old(userName=""))
    account = await store.account(100)
    assert account is not None
    assert account.name == "100"


@ensureDeferred
async def test_an_old_account_brings_no_more_than_a_new_one_may_have(
    valkey: Valkey, store: RedisStore
) -> None:
    valkey.ask("HSET", "users", "100", old(userName="\u202e a\x07" + "b" * 8000, sex="m" * 8000))
    account = await store.account(100)
    assert account is not None
    assert account.name == "a" + "b" * 31
    assert account.sex == "m" * 16


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"userPwd": 5}', "null"])
@ensureDeferred
async def test_a_damaged_old_account_is_nobody_but_keeps_its_id(
    valkey: Valkey, store: RedisStore, text: str
) -> None:
    valkey.ask("HSET", "users", "100", text)
    assert await store.account(100) is None
    assert not await store.create_account(Account(user_id=100, name="new", password="hash"))


@ensureDeferred
async def test_nothing_of_the_clear_text_is_left(valkey: Valkey, store: RedisStore) -> None:
    valkey.ask("HSET", "users", "100", old(userPwd="opensesame"))
    account = await store.account(100)
    assert account is not None
    assert await store.replace_password(account, "$argon2id$", void_tokens=False)
    assert valkey.ask("EXISTS", "users") == b":0\r\n"
    assert b"opensesame" not in valkey.ask("HGETALL", "chatroom:account:100")


@ensureDeferred
async def test_an_account_that_becomes_ours_between_two_looks_is_found(
    valkey: Valkey, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy = Account(user_id=100, name="scott", password="123456", legacy=True)
    valkey.ask("HSET", "users", "100", old())
    look = store._legacy_account

    async def adopted_meanwhile(user_id: int) -> Account | None:
        assert await store.replace_password(legacy, "hash", void_tokens=False)
        return await look(user_id)

    monkeypatch.setattr(store, "_legacy_account", adopted_meanwhile)
    found = await store.account(100)
    assert found is not None
    assert (found.password, found.legacy) == ("hash", False)


@ensureDeferred
async def test_the_token_that_was_replaced_lapses_after_a_while(
    valkey: Valkey, store: RedisStore
) -> None:
    token = Token(user_id=100, generation=0)
    await store.create_token("old", token, lifetime=30 * 86400)
    await store.create_token("new", token, lifetime=30 * 86400, replaces="old")
    ttl = int(valkey.ask("TTL", "chatroom:token:old")[1:])
    assert TOKEN_GRACE - 5 <= ttl <= TOKEN_GRACE
    await store.create_token("short", token, lifetime=10)
    await store.create_token("newer", token, lifetime=30 * 86400, replaces="short")
    assert int(valkey.ask("TTL", "chatroom:token:short")[1:]) <= 10
