"""``chatroom-admin`` on two servers that share a Redis, and on one with its private store."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from chatroom.protocol import messages as wire
from tests import forked
from tests.system.console import Terminal
from tests.system.lab import CHEAP, PROGRAMS, Ended, Lab, Server, environment, own_valkey, until
from tests.wire import PASSWORD, PATIENCE, WireClient

NewUser = Callable[[], int]
ADMIN = str(PROGRAMS / "chatroom-admin")


class Admin:
    """Runs ``chatroom-admin`` where two servers run."""

    def __init__(self, *where: str) -> None:
        self.where = where

    def run(self, name: str, *arguments: object, typed: str = "") -> Ended:
        ran = subprocess.run(
            [*forked.python, ADMIN, name, *self.where, *map(str, arguments)],
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=environment(),
        )
        return Ended(ran.returncode, ran.stdout, ran.stderr)

    def says(self, name: str, *arguments: object, typed: str = "") -> str:
        """What it prints for people, when it succeeds."""
        ended = self.run(name, *arguments, typed=typed)
        assert (ended.status, ended.errors) == (0, "")
        return ended.output

    def gives(self, name: str, *arguments: object, typed: str = "") -> Any:
        """The value it prints with ``--json``, when it succeeds."""
        return json.loads(self.says(name, "--json", *arguments, typed=typed))

    def fails(self, name: str, *arguments: object, typed: str = "") -> str:
        """The one line that it fails with."""
        ended = self.run(name, *arguments, typed=typed)
        assert (ended.status, ended.output) == (1, ""), ended.said
        [line] = ended.errors.splitlines()
        assert line.startswith("chatroom-admin: ")
        return line.removeprefix("chatroom-admin: ")


@pytest.fixture(scope="module")
def redis(valkey_binary: Path) -> Iterator[str]:
    with own_valkey(valkey_binary) as valkey:
        yield f"unix://{valkey.socket}"


@pytest.fixture(scope="module")
def servers(redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    lab = Lab(tmp_path_factory.mktemp("admin"))
    try:
        yield [lab.server("--redis", redis, "--node", name) for name in ("one", "two")]
    finally:
        lab.close()


@pytest.fixture(scope="module")
def admin(redis: str, servers: list[Server]) -> Admin:
    return Admin("--redis", redis)


Enter = Callable[..., WireClient]


def last_words(client: WireClient) -> wire.ErrorMes:
    """What a session is told that the server ends."""
    errors = [message for message in client.expect_end() if isinstance(message, wire.ErrorMes)]
    return errors[-1]


def log_in_again(server: Server, user_id: int, password: str = PASSWORD) -> wire.LoginResMes:
    with server.client() as client:
        return client.log_in(user_id, password)


# ---------------------------------------------------------------- looking


def test_users_are_listed_with_where_they_are_and_what_holds_for_them(
    admin: Admin, enter: Enter
) -> None:
    here, there = enter(0), enter(1)
    enter(1, here.user_id)
    admin.says("mute", there.user_id, "--reason", "spam")
    after = min(here.user_id, there.user_id) - 1
    listed = admin.gives("users", "--online", "--after", after)
    found = {user["id"]: user for user in listed["users"]}
    assert found[here.user_id] == {
        "id": here.user_id,
        "name": f"user {here.user_id}",
        "online": ["one", "two"],
        "banned": None,
        "muted": None,
    }
    assert found[there.user_id]["muted"] == {"until": None, "reason": "spam"}
    page = admin.gives("users", "--after", after, "--limit", 1)
    assert [user["id"] for user in page["users"]] == [here.user_id]
    assert page["next"] == here.user_id
    table = admin.says("users", "--after", here.user_id)
    assert f"{there.user_id}" in table
    assert "muted for good (spam)" in table


def test_show_tells_of_one_account(admin: Admin, enter: Enter) -> None:
    sender, receiver = enter(0), enter(1)
    until(lambda: receiver.user_id in sender.online())
    receiver.close()
    until(lambda: receiver.user_id not in sender.online())
    sender.tell(receiver.user_id, "hello")
    shown = admin.gives("show", receiver.user_id)
    assert shown["name"] == f"user {receiver.user_id}"
    assert shown["mailbox"]["messages"] == 1
    assert shown["mailbox"]["unread"] == 1
    assert shown["tokens"] == 1
    [address] = shown["addresses"]
    assert address["address"] == "127.0.0.1"
    assert abs(time.time() - datetime.fromisoformat(address["last"]).timestamp()) < 120
    assert f"login    {address['last']} from 127.0.0.1" in admin.says("show", receiver.user_id)
    assert "1 messages, 1 of them unread" in admin.says("show", receiver.user_id)


def test_nodes_are_listed(admin: Admin, enter: Enter) -> None:
    enter(0)
    nodes = admin.gives("nodes")["nodes"]
    assert [node["name"] for node in nodes] == ["one", "two"]
    assert nodes[0]["online"] >= 1
    assert admin.says("nodes").splitlines()[0] == "NODE  ONLINE"


def test_what_was_refused_is_counted_by_server(admin: Admin, servers: list[Server]) -> None:
    with servers[0].client() as client:
        client.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
        client.expect_end()
    until(lambda: admin.gives("counters")["counters"].get("one"))
    assert "one   " in admin.says("counters")


def test_what_operators_did_is_logged(admin: Admin, enter: Enter) -> None:
    user_id = enter(0).user_id
    admin.says("mute", user_id, "--reason", "spam")
    action = admin.gives("log", "--limit", 1)["actions"][0]
    assert (action["action"], action["target"], action["reason"]) == ("mute", str(user_id), "spam")
    assert action["by"]
    assert f"mute    {user_id}" in admin.says("log")


# ---------------------------------------------------------------- measures


def test_who_is_kicked_is_told_why_and_may_come_back(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    here = enter(0)
    there, other = enter(1, here.user_id), enter(1)
    assert admin.gives("kick", here.user_id, "--reason", "calm down")["nodes"] == ["one", "two"]
    for client in (here, there):
        told = last_words(client)
        assert (told.code, told.reconnect) == (409, False)
        assert told.error.endswith(": calm down")
    assert other.is_alive()
    until(lambda: here.user_id not in other.online())
    with servers[0].client() as again:
        assert again.log_in(here.user_id).code == 200
        until(lambda: here.user_id in other.online())
    until(lambda: here.user_id not in other.online())
    assert admin.fails("kick", here.user_id) == f"user {here.user_id} is not online"
    assert "kicked" in servers[1].log()


def test_a_banned_account_is_out_at_once_on_both_and_stays_out(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    here = enter(0)
    there = enter(1, here.user_id)
    given = admin.gives("ban", here.user_id, "--for", "12h", "--reason", "enough")
    assert (given["target"], given["reason"]) == (here.user_id, "enough")
    assert given["until"].endswith("Z")
    for client in (here, there):
        told = last_words(client)
        assert (told.code, told.reconnect) == (403, False)
        assert told.error.startswith("you are banned until ")
    answer = log_in_again(servers[1], here.user_id)
    assert (answer.code, bool(answer.until)) == (403, True)
    assert answer.error.endswith("enough")
    assert log_in_again(servers[1], here.user_id, "not the password").error == "wrong password"
    bans = admin.gives("bans")["accounts"]
    assert here.user_id in [ban["id"] for ban in bans]
    assert f"ban   {here.user_id}" in admin.says("bans")
    admin.says("unban", here.user_id)
    assert log_in_again(servers[1], here.user_id).code == 200
    assert admin.fails("unban", here.user_id) == f"user {here.user_id} is not banned"


def test_a_banned_network_is_out_at_once_and_turned_away(
    admin: Admin, lab: Lab, valkey_binary: Path
) -> None:
    # On servers of its own: it is where all tests come from.
    with own_valkey(valkey_binary) as valkey:
        redis = f"unix://{valkey.socket}"
        one, two = lab.server("--redis", redis), lab.server("--redis", redis)
        mine = Admin("--redis", redis)
        with one.client() as inside, two.client() as stranger:
            inside.enter(1)
            given = mine.gives("ban", "127.0.0.77/8", "--reason", "scans")
            assert given == {"target": "127.0.0.0/8", "until": None, "reason": "scans"}
            for client in (inside, stranger):
                assert last_words(client).error.split(": ")[-1].startswith("scans")
        for server in (one, two):
            with server.client() as late:
                told = last_words(late)
                assert (told.code, told.reconnect, told.until) == (403, False, 0)
        assert mine.gives("bans")["addresses"][0]["network"] == "127.0.0.0/8"
        assert "is not banned" in mine.fails("unban", "127.0.0.1")
        mine.says("unban", "127.0.0.0/8")
        with two.client() as back:
            assert back.log_in(1).code == 200


def test_who_is_muted_is_not_heard_until_that_ends(admin: Admin, enter: Enter) -> None:
    muted, listener = enter(0), enter(1)
    admin.says("mute", muted.user_id, "--for", "1h", "--reason", "spam")
    codes: list[int] = []

    def is_muted() -> bool:
        codes.append(muted.say("can you hear me?").code)
        return codes[-1] == 403

    until(is_muted)
    refused = muted.tell(listener.user_id, "and now?")
    assert (refused.code, bool(refused.until)) == (403, True)
    assert refused.error.endswith("UTC: spam")
    admin.says("unmute", muted.user_id)
    until(lambda: muted.say("at last").code == 200)
    listener.hears("at last")
    heard = [message.content for message in listener.got if isinstance(message, wire.SmsMes)]
    assert heard.count("can you hear me?") == codes.count(200)
    assert admin.fails("unmute", muted.user_id) == f"user {muted.user_id} is not muted"


def test_an_announcement_reaches_everybody(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    new, old = enter(0), enter(1, dialect=1)
    with servers[0].client() as guest:
        assert guest.is_alive()
        assert admin.gives("announce", "down at noon") == {"nodes": 2}
        told = new.hears("down at noon")
        assert guest.is_alive()
        assert guest.got == [wire.PongMes()] * 2
    assert (told.user_id, told.user_name, told.room) == (0, "system", wire.LOBBY)
    assert (told.seq, told.id, bool(told.sent_at)) == (UNSET, UNSET, True)
    shown = old.hears("[系统] down at noon")
    assert (shown.user_id, shown.user_name) == (0, "系统")
    assert [message.content for message in new.history()].count("down at noon") == 0


def test_the_menus_show_an_announcement(
    admin: Admin, servers: list[Server], new_user: NewUser
) -> None:
    user_id = new_user()
    with servers[1].client() as client:
        client.register(user_id)
    with Terminal(servers[1].port) as menus:
        menus.sees("Choose (1-3):")
        menus.type("1", str(user_id), PASSWORD)
        menus.sees("Choose (1-7):")
        admin.says("announce", "down at noon")
        menus.sees("[system] down at noon")


# ---------------------------------------------------------------- accounts


def test_a_new_password_ends_every_session_and_token(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    here = enter(0)
    token = next(m.token for m in here.got if isinstance(m, wire.LoginResMes))
    there = enter(1, here.user_id)
    admin.says("passwd", *CHEAP, here.user_id, typed="a better password\n")
    for client in (here, there):
        assert last_words(client).reconnect is False
    assert log_in_again(servers[0], here.user_id).code == 403
    with servers[0].client() as client:
        client.send(wire.LoginMes(user_id=here.user_id, token=token, protocol=2))
        assert client.expect(wire.LoginResMes).code == 403
    assert log_in_again(servers[1], here.user_id, "a better password").code == 200
    short = admin.fails("passwd", here.user_id, typed="abc\n")
    assert short == "password too short: at least 6 characters"
    strict = ("--password-policy", "strict")
    assert "common" in admin.fails("passwd", *strict, here.user_id, typed="password1\n")
    assert "password" not in json.dumps(admin.gives("log", "--limit", 1))


def test_a_deleted_account_is_gone_and_what_it_said_is_nobodys(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    gone, stays = enter(0), enter(1)
    said = f"from {gone.user_id}"
    gone.say(said)
    gone.tell(stays.user_id, f"private {said}")
    stays.is_told(f"private {said}")
    asked = admin.fails("delete", gone.user_id)
    assert "give --yes" in asked
    admin.says("delete", gone.user_id, "--yes")
    told = last_words(gone)
    assert (told.code, told.reconnect) == (500, False)
    assert log_in_again(servers[1], gone.user_id).code == 500
    with servers[1].client() as client:
        assert client.register(gone.user_id) == 505
    [message] = [message for message in stays.history() if message.content == said]
    assert (message.user_id, message.user_name) == (gone.user_id, "deleted user")
    stays.send(wire.HistoryMes(peer=gone.user_id))
    [private] = stays.expect(wire.HistoryResMes).messages
    assert private.user_name == "deleted user"
    assert stays.tell(gone.user_id, "hello?").code == 404
    assert admin.fails("show", gone.user_id) == f"no such user: {gone.user_id}"
    for server in servers:
        assert f"user {gone.user_id} was deleted" in server.log()


def test_an_export_is_all_that_is_held_but_no_secret(admin: Admin, enter: Enter) -> None:
    one, other = enter(0), enter(1)
    one.say('to all, "quoted" 你好')
    one.tell(other.user_id, "from me")
    other.tell(one.user_id, "to me")
    other.say("not about me")
    text = admin.says("export", one.user_id)
    exported = json.loads(text)
    assert exported["account"]["id"] == one.user_id
    assert len(exported["tokens"]) == 1
    assert [one["address"] for one in exported["addresses"]] == ["127.0.0.1"]
    assert [message["content"] for message in exported["mailbox"]] == ["from me", "to me"]
    assert [message["content"] for message in exported["room"]] == ['to all, "quoted" 你好']
    assert set(exported["marks"]) == {"received", "unread", "read"}
    assert "argon2" not in text


def test_on_a_terminal_it_asks_for_the_password_twice_and_shows_none(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    user_id = enter(0).user_id
    program = [ADMIN, "passwd", *admin.where, *CHEAP, str(user_id)]
    with Terminal(program=program) as terminal:
        terminal.sees("New password: ")
        terminal.type("a better password")
        terminal.sees("The same again: ")
        terminal.type("another one")
        assert terminal.ends() == 1
        assert "passwords differ: nothing was changed" in terminal.said
    with Terminal(program=program) as terminal:
        terminal.sees("New password: ")
        terminal.press("\x03")
        assert terminal.ends() == 1
        assert "nothing was done" in terminal.said
    with Terminal(program=program) as terminal:
        for prompt in ("New password: ", "The same again: "):
            terminal.sees(prompt)
            terminal.type("a better password")
        assert terminal.ends() == 0
        assert "better" not in terminal.said
    assert log_in_again(servers[1], user_id, "a better password").code == 200


def test_on_a_terminal_it_asks_before_it_deletes(
    admin: Admin, enter: Enter, servers: list[Server]
) -> None:
    user_id = enter(0).user_id
    program = [ADMIN, "delete", *admin.where, str(user_id)]
    for answer, status in (("no", 1), (str(user_id), 0)):
        assert log_in_again(servers[1], user_id).code == 200
        with Terminal(program=program) as terminal:
            terminal.sees(f"Delete user {user_id} (user {user_id}) and its mailbox for good?")
            terminal.type(answer)
            assert terminal.ends() == status
    assert log_in_again(servers[1], user_id).code == 500


# ---------------------------------------------------------------- what can't be done


@pytest.mark.parametrize(
    "name", ["show", "kick", "ban", "unban", "mute", "unmute", "passwd", "delete", "export"]
)
def test_an_unknown_user_is_one_line(admin: Admin, name: str) -> None:
    assert admin.fails(name, 999_999) == "no such user: 999999"


def test_a_wrong_command_line_is_told_with_status_2(lab: Lab) -> None:
    ended = lab.run([ADMIN, "ban", "5", "--for", "soon"])
    assert (ended.status, ended.output) == (2, "")
    assert "write 30m, 12h, 7d or 2w" in ended.errors


def test_where_no_server_runs_it_says_so(lab: Lab) -> None:
    ended = lab.run([ADMIN, "users", "--data", str(lab.folder / "none")])
    assert ended.status == 1
    assert ended.errors.startswith("chatroom-admin: no server runs with the data folder ")
    ended = lab.run([ADMIN, "users", "--redis", "redis://127.0.0.1:1", "--store-timeout", "0.5"])
    assert ended.status == 1
    assert "the store at redis://127.0.0.1:1 is out of reach: " in ended.errors
    assert len(ended.errors.splitlines()) == 1


def test_it_works_on_a_private_store_and_on_an_account_of_the_original_program(
    lab: Lab,
) -> None:
    server = lab.server()
    admin = Admin("--data", str(server.data))
    with server.client() as client:
        client.enter(7)
        assert [user["id"] for user in admin.gives("users")["users"]] == [7]
        admin.says("ban", 7)
        assert last_words(client).code == 403
    server.stop()
    assert admin.fails("users").startswith("no server runs with the data folder")


def test_an_account_of_the_original_program_can_be_banned_and_given_a_password(
    lab: Lab, valkey_binary: Path
) -> None:
    with own_valkey(valkey_binary) as valkey:
        for user_id in ("100", "101"):
            account = {"userId": int(user_id), "userPwd": "123456", "userName": "scott"}
            valkey.ask("HSET", "users", user_id, json.dumps(account))
        redis = f"unix://{valkey.socket}"
        server, admin = lab.server("--redis", redis), Admin("--redis", redis)
        assert admin.gives("show", 100)["original"]
        admin.says("ban", 100)
        admin.says("passwd", *CHEAP, 101, typed="a new one\n")
        assert log_in_again(server, 100, "123456").error == "you are banned"
        assert log_in_again(server, 101, "123456").code == 403
        assert log_in_again(server, 101, "a new one").code == 200
        assert valkey.ask("HLEN", "users") == b":0\r\n"
