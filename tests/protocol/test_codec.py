"""The codec: what is sent arrives as it was, and nothing that arrives can do harm."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from chatroom.protocol import messages as wire
from chatroom.protocol.codec import WireError, decode, encode, frame, other_protocol
from chatroom.protocol.display_names import MAX_NAME, check_name, tidy_name
from chatroom.protocol.messages import Code, Message, Seq

# ---------------------------------------------------------------- any message of any type

numbers = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
counts = st.integers(min_value=1, max_value=2**53 - 1)
user_ids = st.integers(min_value=1, max_value=2**53 - 1)
texts = st.text(max_size=50)
flags = st.booleans()
passwords = st.text(max_size=wire.MAX_PASSWORD // 4)
contents = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
names = st.text(
    st.characters(
        categories=["L", "N", "P", "S"], exclude_characters="\u115f\u1160\u2800\u3164\uffa0"
    ),
    min_size=1,
    max_size=MAX_NAME,
)
seqs = st.from_regex(r"[0-9]{1,19}-[0-9]{1,19}", fullmatch=True)
rooms = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
message_ids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=64)
people = st.lists(
    st.builds(wire.Person, user_id=numbers, user_name=texts, user_status=numbers), max_size=3
)
marks = st.lists(st.builds(wire.ReadMark, peer=user_ids, seq=seqs), max_size=3)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A field that may be absent."""
    return st.one_of(st.just(UNSET), values)


said: dict[str, st.SearchStrategy[Any]] = {
    "content": contents,
    "user_id": numbers,
    "user_pwd": texts,
    "user_name": texts,
    "user_status": numbers,
    "sex": texts,
    "room": maybe(rooms),
    "id": maybe(message_ids),
    "seq": maybe(seqs),
    "sent_at": maybe(counts),
}
users = st.builds(
    wire.User,
    user_id=user_ids,
    user_pwd=passwords,
    user_name=names,
    user_status=numbers,
    sex=st.just("") | names.map(lambda name: name[: wire.MAX_SEX]),
)
resumes = st.builds(wire.Resume, rooms=st.dictionaries(rooms, seqs, max_size=3), inbox=maybe(seqs))

MESSAGES: dict[type[Message], st.SearchStrategy[Message]] = {
    wire.RegisterMes: st.builds(wire.RegisterMes, user=users, invite=maybe(st.text(max_size=256))),
    wire.RegisterResMes: st.builds(wire.RegisterResMes, code=numbers, error=texts),
    wire.LoginMes: st.builds(
        wire.LoginMes,
        user_id=user_ids,
        user_pwd=passwords,
        user_name=texts,
        protocol=maybe(numbers),
        token=maybe(st.text(max_size=128)),
        resume=maybe(resumes),
    ),
    wire.LoginResMes: st.builds(
        wire.LoginResMes,
        code=numbers,
        users_id=st.one_of(st.none(), maybe(st.lists(numbers, max_size=5))),
        error=texts,
        user_name=maybe(texts),
        token=maybe(texts),
        users=maybe(people),
        online=maybe(numbers),
        unread=maybe(numbers),
        rooms=maybe(st.dictionaries(texts, texts, max_size=3)),
        inbox=maybe(texts),
        read=maybe(marks),
    ),
    wire.NotifyUserStatusMes: st.builds(wire.NotifyUserStatusMes, user_id=numbers, status=numbers),
    wire.SmsMes: st.builds(wire.SmsMes, **said, to_user_id=maybe(user_ids)),
    wire.PrivateMes: st.builds(wire.PrivateMes, **said, to_user_id=user_ids),
    wire.AckMes: st.builds(wire.AckMes, id=texts, code=numbers, seq=maybe(texts), error=texts),
    wire.ReceivedMes: st.builds(wire.ReceivedMes, inbox=seqs),
    wire.ReadMes: st.builds(wire.ReadMes, peer=user_ids, seq=seqs),
    wire.PresenceMes: st.builds(wire.PresenceMes, online=numbers, changes=people, partial=flags),
    wire.UsersMes: st.builds(
        wire.UsersMes, after=st.integers(min_value=0, max_value=2**53 - 1), limit=counts
    ),
    wire.UsersResMes: st.builds(
        wire.UsersResMes, users=people, online=numbers, next=st.none() | numbers
    ),
    wire.StatusMes: st.builds(wire.StatusMes, status=st.sampled_from([0, 2])),
    wire.HistoryMes: st.builds(wire.HistoryMes, room=rooms, before=maybe(seqs), limit=counts)
    | st.builds(wire.HistoryMes, peer=user_ids, before=maybe(seqs), limit=counts),
    wire.HistoryResMes: st.builds(
        wire.HistoryResMes,
        messages=st.lists(st.builds(wire.Text, **said, to_user_id=maybe(user_ids)), max_size=3),
        more=flags,
        limit=numbers,
        room=maybe(texts),
        peer=maybe(numbers),
        before=maybe(texts),
    ),
    wire.PasswordMes: st.builds(wire.PasswordMes, user_pwd=passwords, new_pwd=passwords),
    wire.PasswordResMes: st.builds(wire.PasswordResMes, code=numbers, error=texts),
    wire.LogoutMes: st.builds(wire.LogoutMes),
    wire.PingMes: st.builds(wire.PingMes),
    wire.PongMes: st.builds(wire.PongMes),
    wire.ErrorMes: st.builds(
        wire.ErrorMes,
        code=numbers,
        error=texts,
        id=maybe(texts),
        retry_after=maybe(numbers),
        rooms=maybe(st.dictionaries(texts, texts, max_size=3)),
        inbox=maybe(texts),
        reconnect=maybe(flags),
    ),
}
any_message = st.sampled_from(sorted(MESSAGES, key=str)).flatmap(MESSAGES.__getitem__)


def test_every_type_is_tested() -> None:
    assert set(MESSAGES) == set(wire.MESSAGES.values())


@pytest.mark.no_cover  # made up by the hundred, and others go the same ways
@settings(max_examples=250)
@given(any_message)
def test_what_is_encoded_is_decoded_to_the_same_message(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.no_cover
@settings(max_examples=100)
@given(any_message)
def test_a_message_is_an_envelope_with_json_inside_a_string(message: Message) -> None:
    envelope = json.loads(encode(message))
    assert list(envelope) == ["type", "data"]
    assert envelope["type"] == type(message).__name__
    assert isinstance(json.loads(envelope["data"]), dict)


def test_no_two_fields_of_a_message_differ_only_in_case() -> None:
    parts: list[type[Message]] = [wire.User, wire.Person, wire.ReadMark, wire.Resume]
    for cls in [*MESSAGES, *parts]:
        fields = [field.encode_name.lower() for field in msgspec.structs.fields(cls)]
        assert len(set(fields)) == len(fields)


def test_a_frame_is_a_big_endian_length_and_the_payload() -> None:
    assert frame(b"x" * 258) == b"\x00\x00\x01\x02" + b"x" * 258


# ---------------------------------------------------------------- anything at all arrives


def envelope(kind: Any, data: Any) -> bytes:
    return json.dumps({"type": kind, "data": data}).encode()


def outcome_of(payload: bytes) -> Message | WireError:
    """What becomes of a payload, whatever it is."""
    try:
        return decode(payload)
    except WireError as error:
        return error


def refusal(payload: bytes) -> WireError:
    """What becomes of a payload that is no message."""
    outcome = outcome_of(payload)
    assert isinstance(outcome, WireError)
    return outcome


any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)
type_names = st.sampled_from(sorted(wire.MESSAGES)) | st.text(st.characters())
#: The fields' own names with values of every kind, some of them right.
nearly = st.builds(
    lambda kind, data: envelope(kind, json.dumps(data)),
    type_names,
    st.dictionaries(
        st.sampled_from(["content", "userId", "id", "user", "resume", "with", "seq", "limit"]),
        any_json | user_ids | seqs,
    ),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with some of its bytes lost, doubled or changed."""
    payload = bytearray(encode(draw(any_message)))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        at = draw(st.integers(min_value=0, max_value=len(payload)))
        until = draw(st.integers(min_value=at, max_value=min(at + 8, len(payload))))
        payload[at:until] = draw(st.binary(max_size=4)) + payload[at:until] * draw(
            st.integers(0, 2)
        )
    return bytes(payload)


@pytest.mark.no_cover
@settings(max_examples=300)
@given(
    st.binary()
    | damaged()
    | nearly
    | st.builds(envelope, type_names, any_json)
    | st.builds(lambda kind, data: envelope(kind, json.dumps(data)), type_names, any_json)
)
def test_any_bytes_are_a_message_or_a_wire_error_that_can_be_told(payload: bytes) -> None:
    outcome = outcome_of(payload)
    if isinstance(outcome, WireError):
        assert len(str(outcome).encode()) < 1000
        assert outcome.message_id is None or 1 <= len(outcome.message_id) <= 64
    else:
        assert type(outcome) in MESSAGES


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{nope",
        b'{"type":"PingMes"}{}',
        b'\xef\xbb\xbf{"type":"PingMes"}',
        b'{"data":"{}"}',
        b'{"type":5}',
        b'{"type":"PingMes","data":{}}',
        b'{"type":"PingMes","data":null}',
        b'{"type":"SmsMes","data":"{\\"content\\":\\"\xff\\"}"}',
        b'{"type":"SmsMes","data":"{\\"content\\":\\"\xed\xa0\x80\\"}"}',
        b'{"type":"SmsMes","data":"\\ud800"}',
        b'{"type":"PingMes","data":' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b'{"x":' + b"[" * 60_000,
        b'{"x":' * 10_000,
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_envelope_ends_the_connection(payload: bytes) -> None:
    error = refusal(payload)
    assert (error.code, error.fatal) == (Code.MALFORMED, True)


@pytest.mark.parametrize(
    "data",
    [
        "nope",
        "[]",
        "null",
        "{}",
        '{"content":1}',
        '{"content":null}',
        '{"content":"\\ud800"}',
        '{"content":"\\u0000"}',
        '{"content":"a\\',
        '{"content":"","userId":NaN}',
        '{"content":"","userId":Infinity}',
        '{"content":"","userId":1e400}',
        '{"content":"","userId":1.5}',
        '{"content":"","userId":' + "9" * 5000 + "}",
        '{"content":"","id":""}',
        '{"content":"","id":null}',
        '{"content":"","id":"' + "x" * 65 + '"}',
        '{"content":"","room":"Lobby"}',
        '{"content":"","room":"lobby\\n"}',
        '{"content":"","x":' + "[" * 60_000,
        '{"content":"","x":' + "[" * 50_000 + "]" * 50_000 + "}",
    ],
)
def test_a_malformed_message_costs_only_that_message(data: str) -> None:
    error = refusal(envelope("SmsMes", data))
    assert (error.code, error.fatal, error.type_name) == (Code.MALFORMED, False, "SmsMes")


def test_of_doubled_keys_the_last_counts() -> None:
    payload = b'{"type":"PingMes","type":"SmsMes","data":"x","data":"%s"}'
    message = decode(payload % rb"{\"content\":\"a\",\"content\":\"b\"}")
    assert message == wire.SmsMes(content="b")


def test_unknown_fields_are_ignored() -> None:
    payload = b'{"seq":9,"type":"SmsMes","data":"{\\"content\\":\\"a\\",\\"foo\\":[1,{}]}"}'
    assert decode(payload) == wire.SmsMes(content="a")


@pytest.mark.parametrize("payload", [b'{"type":"PingMes"}', envelope("PingMes", "")])
def test_a_message_with_no_fields_needs_no_data(payload: bytes) -> None:
    assert decode(payload) == wire.PingMes()


def test_an_unknown_type_is_named_in_the_error_as_far_as_it_fits() -> None:
    error = refusal(envelope("Nonsense" * 1000, "{}"))
    assert "Nonsense" in str(error)
    assert len(str(error)) < 100
    assert not error.fatal


# ---------------------------------------------------------------- what the fields may be


def of(cls: type[Message], **fields: Any) -> bytes:
    """A message with fields that its class might not let pass."""
    return envelope(cls.__name__, json.dumps(fields))


def test_a_text_of_4000_characters_is_taken() -> None:
    message = wire.SmsMes(content="😀" * wire.MAX_CONTENT)
    assert decode(encode(message)) == message


@pytest.mark.parametrize("cls", [wire.SmsMes, wire.PrivateMes])
def test_a_longer_text_is_refused_as_too_large_with_its_id(cls: type[Message]) -> None:
    error = refusal(of(cls, content="x" * 4001, id="mine", toUserId=1))
    assert (error.code, error.message_id, error.fatal) == (Code.TOO_LARGE, "mine", False)


def test_a_malformed_message_is_refused_with_its_id() -> None:
    assert refusal(of(wire.PrivateMes, content="x", id="mine")).message_id == "mine"


@pytest.mark.parametrize("user_id", [0, -1, 2**53, 2**64, "1", 1.5, None, True])
def test_an_account_has_a_whole_positive_number_that_every_client_can_hold(user_id: Any) -> None:
    assert not refusal(of(wire.LoginMes, userId=user_id)).fatal


@pytest.mark.parametrize(
    "name",
    [
        *("", "  ", "\u3000\u00a0\u2003", "x" * 33, "a\nb", "a\u200bb", "a\u2028b", "a\x00"),
        *("\ue000", "\u0378", "\ufeffa", "a\u00adb", "a\u00a0b", "a\u2003b"),
        *(f"a{chr(code)}b" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        *("\u0301", "\u0301a", "a" + "\u0301" * 5, "a\ufe0f", "a\U000e0101", "a\U000e0061"),
        *("\u2800", "\u115f", "\u3164", "\uffa0", "a\u034fb", "\u180b", "a\u17b4"),
    ],
)
def test_a_name_that_can_be_mistaken_is_refused(name: str) -> None:
    user = {"userId": 1, "userPwd": "secret", "userName": name}
    assert "userName" in str(refusal(of(wire.RegisterMes, user=user)))


@pytest.mark.parametrize(
    "name",
    [
        *("a", "x" * 32, "卡罗尔", " padded ", "two words", "山田\u3000太郎", "é", "e\u0301", "😀"),
        *("שָׁלוֹם", "ที่", "Nguyễn", "नमस्ते", "x\u0301\u0302\u0303\u0304y"),
    ],
)
def test_a_name_can_be_of_any_script(name: str) -> None:
    user = {"userId": 1, "userPwd": "secret", "userName": name}
    assert isinstance(decode(of(wire.RegisterMes, user=user)), wire.RegisterMes)


@pytest.mark.parametrize("password", ["x" * 1025, "é" * 513])
def test_a_password_that_costs_too_much_to_hash_is_refused(password: str) -> None:
    assert "password" in str(refusal(of(wire.LoginMes, userId=1, userPwd=password)))
    assert "password" in str(refusal(of(wire.PasswordMes, userPwd=password, newPwd="x")))
    assert "password" in str(refusal(of(wire.PasswordMes, userPwd="x", newPwd=password)))


@pytest.mark.parametrize("seq", ["", "1", "1-", "-1", "1-2-3", "a-b", "1-2\n", "9" * 20 + "-1"])
def test_a_place_is_two_numbers(seq: str) -> None:
    assert not refusal(of(wire.ReceivedMes, inbox=seq)).fatal


def test_a_status_is_online_or_busy() -> None:
    assert decode(of(wire.StatusMes, status=2)) == wire.StatusMes(status=2)
    assert "status" in str(refusal(of(wire.StatusMes, status=1)))


def test_history_is_of_a_room_or_of_a_person() -> None:
    assert "not both" in str(refusal(of(wire.HistoryMes, **{"room": "lobby", "with": 1})))


def test_a_private_message_has_a_recipient() -> None:
    assert "toUserId" in str(refusal(of(wire.PrivateMes, content="x")))


# ---------------------------------------------------------------- places in an order

parts = st.integers(min_value=0, max_value=2**63 - 1)


@given(parts, parts)
def test_a_place_reads_back_as_it_was_written(ms: int, n: int) -> None:
    place = Seq(ms, n)
    assert Seq.parse(str(place)) == Seq.parse(str(place).encode()) == place


def test_places_are_compared_number_by_number() -> None:
    assert Seq.parse("9-10") < Seq.parse("10-9")
    assert Seq.parse("10-9") < Seq.parse("10-10")
    assert Seq.parse("0-1") > wire.SEQ_ZERO


@pytest.mark.parametrize("text", ["", "1", "a-1", "1-"])
def test_what_is_no_place_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        Seq.parse(text)


# ---------------------------------------------------------------- every field has its bounds

HUGE = "1" + "0" * 400
LONG_TEXT = "x" * 1025


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *(("SmsMes", f'{{"content":"","{field}":{HUGE}}}') for field in ("userId", "userStatus")),
        *(("SmsMes", f'{{"content":"","{field}":9223372036854775808}}') for field in ("sentAt",)),
        *(("SmsMes", f'{{"content":"","{f}":"{LONG_TEXT}"}}') for f in ("userName", "sex")),
        ("SmsMes", f'{{"content":"","userPwd":"{LONG_TEXT}"}}'),
        ("SmsMes", '{"content":"","id":"a\\nb"}'),
        ("SmsMes", '{"content":"","id":"\\u202e"}'),
        ("SmsMes", '{"content":"","seq":"1"}'),
        ("PrivateMes", f'{{"content":"","toUserId":{HUGE}}}'),
        ("LoginMes", f'{{"userId":{HUGE}}}'),
        ("LoginMes", f'{{"userId":1,"protocol":{HUGE}}}'),
        ("LoginMes", f'{{"userId":1,"userName":"{LONG_TEXT}"}}'),
        ("LoginMes", f'{{"userId":1,"token":"{"x" * 129}"}}'),
        ("LoginMes", '{"userId":1,"resume":{"inbox":"1"}}'),
        ("LoginMes", '{"userId":1,"resume":{"rooms":{"NO":"1-0"}}}'),
        ("UsersMes", f'{{"limit":{HUGE}}}'),
        ("UsersMes", '{"limit":0}'),
        ("UsersMes", '{"after":-1}'),
        ("HistoryMes", f'{{"limit":{HUGE}}}'),
        ("HistoryMes", '{"before":"-"}'),
        ("StatusMes", f'{{"status":{HUGE}}}'),
        ("ReadMes", f'{{"with":{HUGE},"seq":"1-0"}}'),
    ],
)
def test_what_is_out_of_bounds_costs_only_that_message(kind: str, data: str) -> None:
    error = refusal(envelope(kind, data))
    assert (error.code, error.fatal, error.type_name) == (Code.MALFORMED, False, kind)
    assert len(str(error)) < 200


def test_a_resume_names_no_more_rooms_than_there_can_be() -> None:
    rooms = {f"room{number}": "1-0" for number in range(wire.MAX_ROOMS + 1)}
    assert not refusal(of(wire.LoginMes, userId=1, resume={"rooms": rooms})).fatal


@pytest.mark.parametrize("sex", ["a\nb", "\u202e", "\x1b[2J", "\u200b"])
def test_a_sex_is_something_to_be_seen(sex: str) -> None:
    user = {"userId": 1, "userPwd": "secret", "userName": "a", "sex": sex}
    assert "sex" in str(refusal(of(wire.RegisterMes, user=user)))


def test_an_id_that_is_refused_is_not_sent_back() -> None:
    assert refusal(envelope("SmsMes", '{"content":"","id":"a\\nb"}')).message_id is None


@given(st.text())
def test_a_name_that_was_tidied_can_be_a_name(name: str) -> None:
    tidied = tidy_name(name)
    if tidied:
        check_name(tidied)


@pytest.mark.parametrize(
    ("begin", "protocol"),
    [(b"GET ", "HTTP"), (b"POST", "HTTP"), (b"SSH-", "SSH"), (b"\x16\x03\x01\x02", "TLS")],
)
def test_the_greetings_of_other_protocols_are_known(begin: bytes, protocol: str) -> None:
    assert other_protocol(int.from_bytes(begin)) == protocol


@pytest.mark.parametrize("length", [0, 65537, 2**32 - 1, 2**40])
def test_a_length_is_no_greeting(length: int) -> None:
    assert other_protocol(length) is None
