"""The first conversation, frame by frame: what is written here is what goes over the wire."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ports import own_port
from tests.system.lab import Lab
from tests.wire import PlainClient

JSON = dict[str, Any]


class Strict(PlainClient):
    """Takes one message after the other."""

    def expect(self, name: str) -> JSON:
        came, data = self.receive()
        assert came == name, data
        return data


@pytest.fixture
def people(lab: Lab) -> Iterator[list[Strict]]:
    """Everybody who was connected; closed at the end."""
    everybody: list[Strict] = []
    yield everybody
    for plain in everybody:
        plain.close()


def _user(user_id: int, name: str) -> JSON:
    return {"userId": user_id, "userPwd": "123456", "userName": name, "userStatus": 0, "sex": ""}


def test_the_first_conversation_in_dialect_2(lab: Lab, people: list[Strict]) -> None:
    here = ("--listen", f"tcp:{own_port()}:interface=127.0.0.1")
    server = lab.server(cheap=False, listen=here)

    def connect() -> Strict:
        people.append(Strict(server.port))
        return people[-1]

    # Registered and logged in.
    alice, bob = connect(), connect()
    alice.send("RegisterMes", user=_user(100, "alice"))
    assert alice.expect("RegisterResMes") == {"code": 200, "error": ""}
    bob.send("RegisterMes", user=_user(101, "bob"))
    assert bob.expect("RegisterResMes") == {"code": 200, "error": ""}
    alice.send("LoginMes", userId=100, userPwd="123456", userName="", protocol=2)
    told = alice.expect("LoginResMes")
    assert (told["code"], told["userName"], told["online"], told["unread"]) == (200, "alice", 1, 0)
    assert "UsersId" not in told
    bob.send("LoginMes", userId=101, userPwd="123456", userName="", protocol=2)
    assert bob.expect("LoginResMes")["online"] == 2
    bob_here = {"userId": 101, "userName": "bob", "userStatus": 0}
    alice_here = {"userId": 100, "userName": "alice", "userStatus": 0}
    news = {"online": 2, "changes": [bob_here], "partial": False}
    assert alice.expect("PresenceMes") == news

    # Who is online.
    alice.send("UsersMes")
    everybody = {"users": [alice_here, bob_here], "online": 2, "next": None}
    assert alice.expect("UsersResMes") == everybody

    # To the group, both ways.
    alice.send("SmsMes", content="hello, 大家好", userId=999, userName="forged", id="a1")
    ack = alice.expect("AckMes")
    assert (ack["id"], ack["code"]) == ("a1", 200)
    heard = bob.expect("SmsMes")
    assert heard.pop("sentAt") > 1_600_000_000_000
    assert heard == {
        "content": "hello, 大家好",
        "userId": 100,
        "userPwd": "",
        "userName": "alice",
        "userStatus": 0,
        "sex": "",
        "room": "lobby",
        "id": "a1",
        "seq": ack["seq"],
    }
    bob.send("SmsMes", content="hello yourself", id="b1")
    assert bob.expect("AckMes")["code"] == 200
    assert alice.expect("SmsMes")["content"] == "hello yourself"

    # In private, both ways.
    alice.send("PrivateMes", content="psst", toUserId=101, id="a2")
    assert alice.expect("AckMes")["code"] == 200
    told = bob.expect("PrivateMes")
    assert (told["content"], told["userId"], told["toUserId"]) == ("psst", 100, 101)
    bob.send("ReceivedMes", inbox=told["seq"])
    bob.send("PrivateMes", content="what?", toUserId=100, id="b2")
    assert bob.expect("AckMes")["code"] == 200
    assert alice.expect("PrivateMes")["content"] == "what?"

    # To one who is away, and who reads it on the return.
    bob.send("LogoutMes")
    gone = alice.expect("PresenceMes")
    assert gone["changes"] == [bob_here | {"userStatus": 1}]
    alice.send("PrivateMes", content="are you there?", toUserId=101, id="a3")
    assert alice.expect("AckMes")["code"] == 202
    bob = connect()
    bob.send("LoginMes", userId=101, userPwd="123456", userName="", protocol=2)
    told = bob.expect("LoginResMes")
    assert told["unread"] == 1
    assert told["read"] == []
    assert bob.expect("PrivateMes")["content"] == "are you there?"

    # Killed and started again: it was not confirmed, so it comes again.
    server.kill()
    server = lab.server(data=server.data, listen=here)
    bob = connect()
    bob.send("LoginMes", userId=101, userPwd="123456", userName="", protocol=2)
    told = bob.expect("LoginResMes")
    assert (told["code"], told["userName"], told["unread"]) == (200, "bob", 1)
    assert bob.expect("PrivateMes")["content"] == "are you there?"
    assert server.stop() == -signal.SIGTERM


def test_the_first_conversation_in_dialect_1(lab: Lab, people: list[Strict]) -> None:
    """As the original client has it."""
    server = lab.server(cheap=False)

    def connect() -> Strict:
        people.append(Strict(server.port))
        return people[-1]

    def enter(user_id: int, online: list[int]) -> Strict:
        plain = connect()
        plain.send("LoginMes", userId=user_id, userPwd="123456", userName="")
        # Its own id first, and nothing that it would not know.
        assert plain.expect("LoginResMes") == {"code": 200, "UsersId": online, "error": ""}
        return plain

    stranger = connect()
    stranger.send("LoginMes", userId=100, userPwd="123456", userName="")
    assert stranger.expect("LoginResMes") == {
        "code": 500,
        "UsersId": None,
        "error": "用户不存在..",
    }
    for user_id, name in ((100, "alice"), (101, "bob")):
        stranger.send("RegisterMes", user=_user(user_id, name))
        assert stranger.expect("RegisterResMes") == {"code": 200, "error": ""}
    stranger.send("RegisterMes", user=_user(100, "alice"))
    assert stranger.expect("RegisterResMes") == {"code": 505, "error": "用户已经存在..."}
    stranger.send("LoginMes", userId=100, userPwd="wrong!", userName="")
    assert stranger.expect("LoginResMes") == {"code": 403, "UsersId": None, "error": "密码不正确"}

    alice = enter(100, [100])
    bob = enter(101, [101, 100])
    assert alice.expect("NotifyUserStatusMes") == {"userId": 101, "status": 0}
    for speaker, listener, user_id in ((alice, bob, 100), (bob, alice, 101)):
        speaker.send("SmsMes", content="hi 大家", userId=user_id, userPwd="", userName="")
        heard = listener.expect("SmsMes")
        assert (heard["content"], heard["userId"], heard["userPwd"]) == ("hi 大家", user_id, "")
    for speaker, listener, to in ((alice, bob, 101), (bob, alice, 100)):
        speaker.send("PrivateMes", content="psst", userId=0, toUserId=to)
        content = listener.expect("SmsMes")["content"]
        assert "psst" in content
        assert content != "psst", "it has to say that it is private"
    bob.close()
    assert alice.expect("NotifyUserStatusMes") == {"userId": 101, "status": 1}
    # That it is kept, an original client is not told; somebody else's may be.
    phone = connect()
    phone.send("LoginMes", userId=100, userPwd="123456", userName="", protocol=2)
    assert phone.expect("LoginResMes")["code"] == 200
    alice.send("PrivateMes", content="are you there?", toUserId=101)
    while phone.receive()[1].get("content") != "are you there?":
        continue

    server.kill()
    server = lab.server(data=server.data)
    bob = enter(101, [101])
    # To this client something can come again, if the server died before it had noted it down.
    while "are you there?" not in bob.expect("SmsMes")["content"]:
        continue
