"""What leaves for a client of each dialect: only what it knows, in frames that it can take."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2
from chatroom.protocol.messages import MAX_CONTENT, MAX_FRAME_DIALECT_1, SERVER_ID, Message
from tests.protocol.test_codec import any_message
from tests.wire import framed, frames

#: All that the original client knows.
KNOWN = (wire.LoginResMes, wire.RegisterResMes, wire.SmsMes, wire.NotifyUserStatusMes)


def original(*messages: Message) -> list[Message]:
    """What an original client gets, each frame of which is a write of its own."""
    blob = DIALECT_1.encode(messages)
    payloads = []
    for write in blob:
        [payload] = frames(write)
        assert len(payload) <= MAX_FRAME_DIALECT_1
        payloads.append(payload)
    return [codec.decode(payload) for payload in payloads]


def contents(messages: list[Message]) -> list[str]:
    found = []
    for message in messages:
        assert isinstance(message, wire.SmsMes)
        found.append(message.content)
    return found


# ---------------------------------------------------------------- dialect 2


@pytest.mark.no_cover  # made up by the hundred, and others go the same ways
@given(st.lists(any_message, max_size=4))
@settings(max_examples=50)
def test_dialect_2_gets_all_in_one_write(messages: list[Message]) -> None:
    blob = DIALECT_2.encode(messages)
    assert b"".join(blob) == framed(*messages)
    assert len(blob) == (1 if messages else 0)


# ---------------------------------------------------------------- dialect 1


@pytest.mark.no_cover
@given(st.lists(any_message, max_size=4))
@settings(max_examples=150)
def test_only_the_four_types_ever_leave_each_in_a_write_that_fits(messages: list[Message]) -> None:
    assert all(isinstance(message, KNOWN) for message in original(*messages))


@pytest.mark.parametrize(
    "message",
    [
        wire.AckMes(id="x", code=200),
        wire.HistoryResMes(messages=[], more=False, limit=1),
        wire.UsersResMes(users=[], online=0),
        wire.PasswordResMes(code=200),
        wire.ReceivedMes(inbox="1-1"),
        wire.ReadMes(peer=1, seq="1-1"),
        wire.PingMes(),
        wire.PongMes(),
    ],
)
def test_what_has_no_meaning_for_it_is_left_out(message: Message) -> None:
    assert original(message) == []


def test_a_group_message_has_the_fields_that_the_original_knows_and_no_other() -> None:
    message = wire.SmsMes(
        content="hi", user_id=7, user_name="a", sex="x", room="lobby", id="i", seq="1-1", sent_at=1
    )
    [write] = DIALECT_1.encode([message])
    assert json.loads(json.loads(write[4:])["data"]) == {
        "content": "hi",
        "userId": 7,
        "userPwd": "",
        "userName": "a",
        "userStatus": 0,
        "sex": "x",
    }


texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=20,
).flatmap(
    lambda part: st.integers(min_value=1, max_value=MAX_CONTENT // len(part)).map(
        lambda times: part * times
    )
)


@pytest.mark.no_cover
@given(texts)
@settings(max_examples=100)
def test_a_long_message_is_split_without_losing_a_character(content: str) -> None:
    assert "".join(contents(original(wire.SmsMes(content=content)))) == content


@pytest.mark.no_cover
@given(texts)
@settings(max_examples=100)
def test_every_part_of_a_long_private_message_says_that_it_is_private(content: str) -> None:
    parts = contents(original(wire.PrivateMes(content=content, to_user_id=1)))
    assert all(part.startswith("[私聊] ") for part in parts)
    assert "".join(part.removeprefix("[私聊] ") for part in parts) == content


@pytest.mark.parametrize("char", ["x", "\x01", '"', "\\", "<", "é", "你", "😀", "\n"])
def test_the_longest_message_fits_whatever_it_is_made_of(char: str) -> None:
    content = char * MAX_CONTENT
    assert "".join(contents(original(wire.SmsMes(content=content)))) == content
    assert original(wire.PrivateMes(content=content, to_user_id=1))


def test_a_message_that_fits_is_not_split() -> None:
    assert len(original(wire.SmsMes(content="x" * MAX_CONTENT))) == 1


def test_an_empty_message_is_a_message() -> None:
    assert contents(original(wire.SmsMes(content=""))) == [""]


@pytest.mark.parametrize("char", ["x", "\x01", "你", "😀"])
@pytest.mark.parametrize("content", ["", "hi", "你" * MAX_CONTENT])
def test_a_name_as_long_as_a_frame_can_be_costs_nobody_the_message(char: str, content: str) -> None:
    message = wire.SmsMes(content=content, user_id=7, user_name=char * 8000, sex=char * 8000)
    assert "".join(contents(original(message))) == content


def test_an_error_is_shown_as_a_message_of_the_server() -> None:
    [message] = original(wire.ErrorMes(code=404, error="对方不存在"))
    assert message == wire.SmsMes(content="[系统] 对方不存在", user_id=SERVER_ID, user_name="系统")


def test_comings_and_goings_are_told_one_by_one() -> None:
    changes = [wire.Person(1, "a", 0), wire.Person(2, "b", 1)]
    assert original(wire.PresenceMes(online=3, changes=changes)) == [
        wire.NotifyUserStatusMes(user_id=1, status=0),
        wire.NotifyUserStatusMes(user_id=2, status=1),
    ]


@pytest.mark.parametrize("count", [1, 2, 1000, 20_000])
@pytest.mark.parametrize("largest", [9, 2**53 - 1])
def test_of_those_online_as_many_as_fit_are_told_ones_own_id_first(
    count: int, largest: int
) -> None:
    ids = [largest, *range(1, count)]
    [message] = original(wire.LoginResMes(code=200, users_id=ids))
    assert isinstance(message, wire.LoginResMes)
    assert message.users_id
    assert message.users_id == ids[: len(message.users_id)]
    # What is left out would not have fitted by far more than a tenth.
    if count <= 1000:
        assert message.users_id == ids
    else:
        assert len(codec.encode(message)) > MAX_FRAME_DIALECT_1 * 0.85


def test_a_failed_login_has_null_for_those_online() -> None:
    [write] = DIALECT_1.encode([wire.LoginResMes(code=403, users_id=None, error="密码不正确")])
    assert b'\\"UsersId\\":null' in write
