"""What the original client and server said to each other, said to ours.

Each file in ``interop/`` holds one recorded conversation, a frame a line: the connection's number,
its direction (``c2s``, ``s2c``), and the payload. What the client said is said again here; what
the server answered has to come again, on the same connections, with the same keys, kinds of values,
codes and texts, unless `RECORDED` says what comes instead, and why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Message
from chatroom.transports.tcp import ChatFactory
from tests.doubles.memory_store import Trouble
from tests.sockets import Peer
from tests.wire import read_plain
from tests.world import World

FOLDER = Path(__file__).parent

#: For a text that ours words as it likes.
SOME_TEXT = "*"


class Server:
    """Our server, and the recording's connections to it."""

    def __init__(self) -> None:
        self.world = World()
        node = self.world.node()
        # The people of the recordings have passwords of two characters and more.
        node.accounts = Accounts(self.world.store(), self.world.passwords, policy=PasswordPolicy(1))
        self._factory = ChatFactory(node)
        self.peers: dict[int, Peer] = {}

    def peer(self, connection: int) -> Peer:
        if connection not in self.peers:
            self.peers[connection] = Peer(self._factory)
        return self.peers[connection]

    def says(self, connection: int, payload: str) -> None:
        self.peer(connection).sends(codec.frame(payload.encode()))
        self.world.wait(0.5)

    def takes(self) -> dict[int, list[Frame]]:
        """What came on each connection since the last look."""
        taken = {
            number: [read(payload) for payload in peer.payloads()]
            for number, peer in self.peers.items()
        }
        return {number: frames for number, frames in taken.items() if frames}

    # ---- what happened between the recordings

    def leaves(self, connection: int) -> None:
        """A client exits."""
        self.peers.pop(connection).leaves()
        self.world.wait(0.5)

    def logs_in(self, connection: int, user_id: int) -> None:
        message = wire.LoginMes(user_id=user_id, user_pwd=f"p{user_id}")
        self.says(connection, codec.encode(message).decode())

    def registers(self, *user_ids: int) -> None:
        for user_id in user_ids:
            user = wire.User(user_id=user_id, user_pwd=f"p{user_id}", user_name=f"user {user_id}")
            self.says(0, codec.encode(wire.RegisterMes(user=user)).decode())

    def loses_its_store(self) -> None:
        self.world.store().fail(Trouble.REFUSES)


class Frame(NamedTuple):
    """A message's type and its fields."""

    kind: str
    fields: Any


def read(payload: bytes) -> Frame:
    """A payload's two layers, read with no help of ours."""
    kind, fields = read_plain(payload)
    if fields.get("UsersId"):
        # Go's map has no order; only who is there counts.
        fields["UsersId"] = sorted(fields["UsersId"])
    return Frame(kind, fields)


def frame(message: Message) -> Frame:
    return read(codec.encode(message))


def said_by(user_id: int, name: str, content: str) -> Frame:
    return frame(wire.SmsMes(content=content, user_id=user_id, user_name=name))


#: Their names come from the account; the original client leaves them empty.
NAMES = {
    100: "alice",
    101: "bob",
    102: "卡罗尔",
    103: "dave",
    1: "user 1",
    2: "user 2",
    3: "user 3",
}

NOT_LOGGED_IN = frame(wire.ErrorMes(code=401, error=SOME_TEXT))


class Recorded(NamedTuple):
    """A recorded conversation, and what our server does otherwise."""

    file: str
    #: What happened since the conversation before it; what comes of it is not looked at.
    before: Callable[[Server], object] = lambda server: None
    #: What comes instead, by connection; None: what the original answered.
    instead: dict[int, list[Frame]] | None = None
    #: Which rule it is.
    why: str = ""
    #: The connections that the server closes.
    closes: tuple[int, ...] = ()


#: The first recording: one server from its start on.
FIRST = [
    Recorded("01_register_ok"),
    Recorded("02_register_duplicate"),
    Recorded("02b_register_ok_101"),
    Recorded("02c_register_ok_102_chinese_nick"),
    Recorded("03_login_wrong_password"),
    Recorded("04_login_unknown_user"),
    Recorded("05_login_ok_first_user"),
    Recorded("06_login_ok_second_user_notify_to_first"),
    Recorded("07_login_ok_third_user_notify_to_two"),
    Recorded("09_group_message"),
    Recorded("10_group_message_escapes_utf8"),
    Recorded("11_group_message_with_space_typed"),
    Recorded("12_group_message_empty_line"),
    Recorded("14_group_message_after_a_user_exited", lambda server: server.leaves(9)),
    Recorded("14b_register_103"),
    Recorded(
        "15_login_after_102_exited_stale_UsersId",
        instead={
            7: [frame(wire.NotifyUserStatusMes(user_id=103, status=0))],
            8: [frame(wire.NotifyUserStatusMes(user_id=103, status=0))],
            11: [frame(wire.LoginResMes(code=200, users_id=[100, 101, 103]))],
        },
        why="who has left is no longer listed as online",
    ),
    Recorded("16_relogin_102_after_exit"),
    Recorded(
        "17_double_login_100_while_online",
        instead={13: [frame(wire.LoginResMes(code=200, users_id=[100, 101, 102, 103]))]},
        why="who is online already does not come online again: nobody is told",
    ),
    Recorded(
        "18_group_message_with_double_login",
        instead={number: [said_by(101, "bob", "towhom")] for number in (7, 11, 12, 13)},
        why="of one user's sessions the older ones go on getting messages",
    ),
    Recorded("19_login_redis_down", Server.loses_its_store),
    Recorded("20_register_redis_down"),
]

#: The second recording: what the original client never sends.
SECOND = [
    Recorded(
        "21_relogin_same_conn_after_failure",
        lambda server: server.registers(1, 2, 3),
    ),
    Recorded(
        "22_second_id_logged_in_on_same_conn",
        instead={2: [frame(wire.LoginResMes(code=400, users_id=None, error="你已经登录了"))]},
        why="one session is one user's",
    ),
    Recorded(
        "23_one_message_delivered_twice_to_conn_with_two_ids",
        lambda server: server.logs_in(3, 3),
        instead={2: [said_by(3, "user 3", "dup")]},
        why="one session is one user's, and gets a message once",
    ),
    Recorded(
        "24_sms_without_login_relayed",
        instead={4: [NOT_LOGGED_IN]},
        why="who is not logged in says nothing to others",
    ),
    Recorded(
        "25_spoofed_userId_owner_skipped",
        instead={4: [NOT_LOGGED_IN]},
        why="who is not logged in says nothing to others",
    ),
    Recorded(
        "26_logged_in_spoof_sender_gets_own_message",
        instead={2: [said_by(3, "user 3", "spoof")]},
        why="who speaks is who logged in, and does not hear itself",
    ),
    Recorded(
        "27_unknown_type_no_reply",
        instead={4: [frame(wire.PongMes())]},
        why="the type that the original did not know is known to ours",
    ),
    Recorded(
        "28_sms_noncanonical_json_normalised_by_relay",
        instead={4: [NOT_LOGGED_IN]},
        why="who is not logged in says nothing to others",
    ),
    Recorded(
        "29_bad_login_data_connection_closed",
        instead={5: [frame(wire.LoginResMes(code=400, users_id=None, error=SOME_TEXT))]},
        why="bad input gets an answer, and the connection may try again",
    ),
    Recorded(
        "30_bad_outer_json_connection_closed",
        instead={6: [frame(wire.ErrorMes(code=400, error=SOME_TEXT))]},
        why="bad input gets an answer before the connection closes",
        closes=(6,),
    ),
]


def lines_of(file: str) -> list[dict[str, Any]]:
    text = (FOLDER / f"{file}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def answered(file: str) -> dict[int, list[Frame]]:
    """What the original server answered, with what the rules want in every conversation."""
    frames: dict[int, list[Frame]] = {}
    for line in lines_of(file):
        if line["dir"] == "s2c":
            kind, fields = read(line["payload"].encode())
            if kind == "SmsMes":
                fields["userName"] = NAMES.get(fields["userId"], "")
            frames.setdefault(line["conn"], []).append(Frame(kind, fields))
    return frames


def shape(frames: dict[int, list[Frame]]) -> Any:
    """Of what kind each value is."""
    return {
        number: [
            (kind, {name: type(value).__name__ for name, value in fields.items()})
            for kind, fields in of_one
        ]
        for number, of_one in frames.items()
    }


def with_any_text(
    frames: dict[int, list[Frame]], expected: dict[int, list[Frame]]
) -> dict[int, list[Frame]]:
    """The frames with `SOME_TEXT` where that is expected, and there is a text."""
    for number, of_one in expected.items():
        for got, wanted in zip(frames.get(number, []), of_one, strict=False):
            if wanted.fields.get("error") == SOME_TEXT and got.fields.get("error"):
                got.fields["error"] = SOME_TEXT
    return frames


def replay(server: Server, recorded: Recorded) -> None:
    """Say what was said, and look at what comes."""
    recorded.before(server)
    server.takes()
    for line in lines_of(recorded.file):
        if line["dir"] == "c2s":
            server.says(line["conn"], line["payload"])
    expected = answered(recorded.file) if recorded.instead is None else recorded.instead
    got = with_any_text(server.takes(), expected)
    assert shape(got) == shape(expected), recorded.file
    assert got == expected, recorded.file
    assert {number for number, peer in server.peers.items() if peer.closed} == set(recorded.closes)


@pytest.mark.parametrize(
    "recording", [FIRST, SECOND], ids=["the_clients_own", "what_it_never_says"]
)
def test_what_the_original_server_answered_ours_answers(recording: Sequence[Recorded]) -> None:
    server = Server()
    for recorded in recording:
        replay(server, recorded)


def test_every_recorded_conversation_is_replayed() -> None:
    assert sorted(recorded.file for recorded in FIRST + SECOND) == sorted(
        path.stem for path in FOLDER.glob("*.jsonl")
    )


def test_every_deviation_is_one_and_has_its_reason() -> None:
    for recorded in FIRST + SECOND:
        assert (recorded.instead is not None) == bool(recorded.why)
        if recorded.instead is not None:
            assert recorded.instead != answered(recorded.file)


def test_that_a_user_left_is_told_though_the_original_never_told() -> None:
    server = Server()
    for recorded in FIRST[: [entry.file for entry in FIRST].index("09_group_message")]:
        replay(server, recorded)
    server.leaves(9)
    gone = frame(wire.NotifyUserStatusMes(user_id=102, status=1))
    assert server.takes() == {7: [gone], 8: [gone]}


def test_what_is_oddly_written_is_relayed_as_it_is_meant() -> None:
    """The payload of recording 28, from somebody who is logged in."""
    server = Server()
    server.registers(1, 2)
    for user_id in (1, 2):
        server.logs_in(user_id, user_id)
    server.takes()
    [payload] = [
        line["payload"]
        for line in lines_of("28_sms_noncanonical_json_normalised_by_relay")
        if line["dir"] == "c2s"
    ]
    server.says(1, payload)
    assert server.takes() == {2: [said_by(1, "user 1", "你好<&>")]}
