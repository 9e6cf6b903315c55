"""What the fuzzer sends: messages that are nearly right, and bytes that are no messages at all."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from chatroom.protocol import codec
from chatroom.protocol import messages as wire
from tests.world import PASSWORD

#: JSON texts that are no value for most fields; what is no JSON is meant.
ODD = [
    *("null", "true", "0", "-1", "-0", "1.0", "1.5", "0.1e1", "1e400", "-1e-400", "NaN", "2"),
    *("9007199254740991", "9007199254740992", "9223372036854775808", "18446744073709551616"),
    *("9" * 400, "9" * 5000, "-" + "9" * 40, "01", "0x10", "1_000", "+1", "1e5", "-Infinity"),
    *('""', '"1"', '" "', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\ud800"', "'x'", '"'),
    *('"\\u202e\\u200b\\u2066"', '"\\ufeff"', '"\U000e0041"', '"a\\nb\\r\\tc"', '"\\x41"'),
    *('"\x1b[2J"', '"e\u0301\u0323"', '"\uff21\u2126\ufb01"', '"\u0661-\u0662"', '"lobby\\n"'),
    *('"\U0001f468\u200d\U0001f469"', '"0-0"', '"1-"', '"-1--1"', '"00-00"', '"1-1\\n"'),
    *('"9999999999999999999-9999999999999999999"', '"18446744073709551616-0"'),
    *("[]", "{}", "[[]]", '[{"a":1}]', '{"userId":1}', '["a","a"]', "[1,]", "{,}", '{"":""}'),
    *('"' + "x" * 65 + '"', '"' + "\u00e9" * 600 + '"', '"' + "x" * 4001 + '"'),
    *("[" * 300 + "]" * 300, "[" * 2000, '{"a":' * 500 + "1" + "}" * 500, " ", "", "//", "\x00"),
    '"' + "\U0001f600" * 900 + '"',
]
#: How others begin a conversation.
GREETINGS = [
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) * 16,
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"EHLO example.org\r\n",
    b"NICK x\r\nUSER x 0 * :x\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"\x00",
    b"\xff" * 64,
]
#: How often each message is sent; what is not named here, once.
OFTEN = {
    "SmsMes": 24, "PrivateMes": 20, "LoginMes": 8, "RegisterMes": 5, "ReceivedMes": 8, "ReadMes": 8,
    "UsersMes": 5, "StatusMes": 4, "HistoryMes": 8, "PasswordMes": 4, "PingMes": 4, "PongMes": 3,
}  # fmt: skip
_FIELDS = {name: msgspec.structs.fields(cls) for name, cls in wire.MESSAGES.items()}

#: An object as its members in JSON: so it can have the same one twice.
Members = list[tuple[str, str]]


def text_of(members: Members) -> str:
    return "{" + ",".join([f"{json.dumps(name)}:{value}" for name, value in members]) + "}"


def in_utf8(text: str) -> bytes:
    """A lone surrogate becomes bytes that are no UTF-8, as bad clients send them."""
    return text.encode("utf-8", "surrogatepass")


class Inputs:
    """Makes inputs by chance.

    :param users: ids of those who have accounts; passwords are `PASSWORD`.
    """

    def __init__(self, random: Random, users: Sequence[int]) -> None:
        self.random = random
        self.users = users
        #: Places and tokens that came from the server lately.
        self.seqs: deque[str] = deque(["1700000000000-0"], maxlen=50)
        self.tokens: deque[str] = deque(["x" * 43], maxlen=20)
        self._names, self._weights = list(_FIELDS), [OFTEN.get(name, 1) for name in _FIELDS]
        self._values: dict[str, Callable[[], str]] = {
            "userId": self._user,
            "toUserId": self._user,
            "with": self._user,
            "after": self._user,
            "userPwd": lambda: json.dumps(PASSWORD),
            "newPwd": lambda: json.dumps(PASSWORD),
            "userName": self._text,
            "sex": lambda: '"x"',
            "content": self._text,
            "error": self._text,
            "id": lambda: f'"id {random.randrange(300)}"',
            "room": lambda: '"lobby"' if random.random() < 0.8 else '"another"',
            "seq": self._seq,
            "inbox": self._seq,
            "before": self._seq,
            "protocol": lambda: "2",
            "token": lambda: json.dumps(random.choice(self.tokens)),
            "resume": lambda: f'{{"rooms":{{"lobby":{self._seq()}}},"inbox":{self._seq()}}}',
            "status": lambda: random.choice(["0", "2"]),
            "userStatus": lambda: random.choice(["0", "1", "2"]),
            "limit": lambda: str(random.choice([1, 2, 50, 1000])),
            "user": lambda: text_of(self._members(msgspec.structs.fields(wire.User), new=True)),
        }

    # ---- frames

    def frame(self) -> bytes:
        """A frame whose length is right."""
        return codec.frame(self.payload())

    def payload(self) -> bytes:
        """A message, wrong in no place, in one, or in several."""
        random = self.random
        [name] = random.choices(self._names, self._weights)
        members = self._members(_FIELDS[name])
        for _ in range(random.choice((0, 0, 0, 1, 1, 2, 4))):
            self._spoil(members)
        data = text_of(members)
        if random.random() < 0.03:
            data = self._spoil_text(data)
        outer = [
            ("type", json.dumps(name)),
            ("data", json.dumps(data, ensure_ascii=random.random() < 0.5)),
        ]
        if random.random() < 0.04:
            outer = self._spoil_envelope(outer, name, data)
        return in_utf8(text_of(outer))

    def login(self, user_id: int, dialect: int) -> bytes:
        """The frame of a login that is right."""
        members = [("userId", str(user_id)), ("userPwd", json.dumps(PASSWORD))]
        if dialect == 2:
            members.append(("protocol", "2"))
            if self.random.random() < 0.5:
                members.append(("resume", self._values["resume"]()))
        outer = [("type", '"LoginMes"'), ("data", json.dumps(text_of(members)))]
        return codec.frame(in_utf8(text_of(outer)))

    def _members(self, fields: Sequence[Any], *, new: bool = False) -> Members:
        members = []
        for field in fields:
            if field.required or self.random.random() < 0.4:
                name = field.encode_name
                value = self._values.get(name, self._odd)()
                if new and name == "userId":
                    value = str(self.random.randrange(1, 10_000))
                members.append((name, value))
        return members

    def _user(self) -> str:
        return str(self.random.choice(self.users))

    def _seq(self) -> str:
        return f'"{self.random.choice(self.seqs)}"'

    def _text(self) -> str:
        return (
            f'"text {self.random.randrange(1000)}"' if self.random.random() < 0.8 else self._odd()
        )

    def _odd(self) -> str:
        return self.random.choice(ODD)

    def _spoil(self, members: Members) -> None:
        random = self.random
        where = random.randrange(len(members)) if members else 0
        name, value = members[where] if members else ("content", '"x"')
        match random.randrange(9):
            case 0 | 1 | 2:
                members[where : where + 1] = [(name, self._odd())]
            case 3:
                del members[where : where + 1]
            case 4:
                members.insert(random.randrange(len(members) + 1), (name, self._odd()))
            case 5:
                members.append((name.swapcase(), value))
            case 6:
                members[where : where + 1] = [(name, random.choice(("[%s]", '{"a":%s}')) % value)]
            case 7:
                members.append((random.choice(("", "\x00", "a" * 300, "__class__")), self._odd()))
            case _:
                random.shuffle(members)

    def _spoil_text(self, text: str) -> str:
        random = self.random
        where = random.randrange(len(text) + 1)
        match random.randrange(4):
            case 0:
                return text[:where]
            case 1:
                return text + random.choice(("}", "x", text, "\x00", " " * 3000))
            case 2:
                return text[:where] + random.choice('\ufeff\x00\ud800\u2028"\\{[,:') + text[where:]
            case _:
                return ""

    def _spoil_envelope(self, outer: Members, name: str, data: str) -> Members:
        random = self.random
        kind, content = outer
        return random.choice(
            (
                [kind],
                [content],
                [content, kind],
                [kind, ("data", data)],
                [kind, content, ("data", self._odd())],
                [kind, content, ("type", self._odd())],
                [("type", json.dumps(name.lower())), content],
                [("type", self._odd()), content],
                [kind, ("data", json.dumps(content[1]))],
                [kind, content, ("more", self._odd())],
            )
        )

    # ---- bytes

    def raw(self) -> bytes:
        """Bytes that are no frame, or no longer one."""
        random = self.random
        frame = bytearray(self.frame())
        match random.randrange(7):
            case 0:
                return random.choice(GREETINGS)
            case 1:
                return random.randbytes(random.randrange(1, 200))
            case 2:
                for _ in range(random.randrange(1, 6)):
                    frame[random.randrange(len(frame))] ^= 1 << random.randrange(8)
            case 3:
                length = random.choice((0, 1, 2, 4095, 4096, 4097, 65536, 65537, 2**31, 2**32 - 1))
                frame[:4] = length.to_bytes(4, "big")
            case 4:
                del frame[random.randrange(len(frame)) :]
            case 5:
                where = random.randrange(len(frame))
                frame[where:where] = random.randbytes(random.randrange(1, 9))
            case _:
                return codec.frame(random.randbytes(random.randrange(1, 60)))
        return bytes(frame)
