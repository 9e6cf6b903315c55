"""What comes by itself: messages, people, connections; and the list of messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from chatroom.client.base.errors import NotConnected
from chatroom.client.base.model import Gap, History, Login, State
from chatroom.protocol.messages import Person, ReadMes, ReceivedMes, Seq, Status
from chatroom.terminal.incoming.message_log import MAX_READ, MessageLog
from chatroom.terminal.wording import Wording

from .menu_stage import GONE, MING, TOM, Stage, message, private

IN = ["1", "100", "123456"]


def logged_in(language: str = "en", **client: Any) -> Stage:
    return Stage([*IN], ends=False, interactive=True, language=language, **client)


def test_messages_are_shown_as_the_original_showed_them() -> None:
    stage = logged_in("zh")
    stage.arrive(message(1), private(2), message(3, name=""), private(4, own=True, user_id=100))
    assert stage.screen.said[-4:] == [
        "[小明] 用户id:\t101 对大家说:\thello",
        "[小明] 用户id:\t101 对你说:\tpsst",
        "用户id:\t101 对大家说:\thello",
        "[小明] 用户id:\t100 对用户101说:\tpsst",
    ]


def test_an_announcement_is_shown_as_the_servers_and_not_kept_in_the_list() -> None:
    stage = logged_in()
    stage.arrive(message(1, "down\x1b[2J", kind="system", room=None, user_id=0, name="system"))
    assert stage.screen.said[-1] == "[system] down␛[2J"
    assert "unread" not in stage.screen.said[-2]
    stage.screen.answer("3")
    assert "down" not in stage.screen.said[-1]


@pytest.mark.parametrize(("language", "name"), [("en", "deleted user"), ("zh", "已注销用户")])
def test_who_is_deleted_has_a_name_in_the_readers_language(language: str, name: str) -> None:
    stage = logged_in(language)
    stage.arrive(message(1, name="deleted user"))
    assert stage.screen.said[-1].startswith(f"[{name}] ")


def test_what_waited_is_shown_before_the_menu_comes() -> None:
    stage = logged_in(log_in=Login(100, "Tom", "token", [TOM], 1, 2, {}))
    stage.arrive(private(1, late=True))
    assert not stage.is_asking()
    stage.arrive(private(2, "again", late=True))
    assert stage.is_asking()
    assert stage.screen.said[-4:-1] == [
        "Private messages that came while you were away: 2",
        "2023-11-14 22:13:21 [小明] User id:\t101 says to you:\tpsst",
        "2023-11-14 22:13:22 [小明] User id:\t101 says to you:\tagain",
    ]
    assert "3. Message list--------- (2 unread)" in stage.screen.said[-1]


def test_what_never_comes_is_not_waited_for_without_end() -> None:
    stage = logged_in(log_in=Login(100, "Tom", "token", [TOM], 1, 1, {}))
    stage.clock.advance(4)
    assert not stage.is_asking()
    stage.clock.advance(2)
    assert stage.is_asking()
    stage.arrive(private(1, late=True))
    assert "psst" in stage.said


def test_the_list_shows_what_is_unread_and_then_it_is_read() -> None:
    stage = logged_in()
    stage.arrive(message(1), private(2), private(2), private(3))
    stage.screen.answer("3")
    assert stage.screen.said[-1] == (
        "Messages:\n"
        "2023-11-14 22:13:21 (unread) [小明] User id:\t101 says to everybody:\thello\n"
        "2023-11-14 22:13:22 (unread) [小明] User id:\t101 says to you:\tpsst\n"
        "2023-11-14 22:13:23 (unread) [小明] User id:\t101 says to you:\tpsst"
    )
    # The first mark makes the conversation known to the server, the second one is the reading.
    assert stage.called("mark_read") == [(101, "1-9999999999999999999"), (101, "3-0")]
    stage.screen.answer("3")
    assert "unread" not in stage.screen.said[-1] + stage.screen.questions[-1].prompt


def test_the_list_is_not_empty_after_a_restart() -> None:
    stage = logged_in(log_in=Login(100, "Tom", "token", [TOM], 1, 0, {101: Seq(5, 0)}))
    stage.client.answers["history"] = History([private(4), private(6), message(7, "old")], False)
    stage.screen.answer("3")
    assert stage.called("history") == [("lobby",), (101,)]
    lines = stage.screen.said[-1].split("\n")
    assert [("unread" in line, line[-4:]) for line in lines[1:]] == [
        (False, "psst"),
        (True, "psst"),
        (False, "\told"),
    ]
    assert stage.called("mark_read") == [(101, "6-0")]


def test_no_messages_yet() -> None:
    stage = logged_in()
    stage.screen.answer("3")
    assert stage.screen.said[-1] == "Messages:\nNo messages yet"


def test_without_its_history_the_list_shows_what_is_at_hand() -> None:
    stage = logged_in()
    stage.arrive(message(1))
    stage.client.answers["history"] = NotConnected("gone")
    stage.screen.answer("3")
    assert "hello" in stage.screen.said[-1]
    assert stage.screen.errors == ["Not connected to the server: gone"]


def test_what_another_device_has_shown_is_read() -> None:
    stage = logged_in()
    stage.arrive(private(2), private(4))
    stage.client.callbacks["on_mark"](ReceivedMes("4-0"))
    stage.client.callbacks["on_mark"](ReadMes(101, "3-0"))
    stage.screen.answer("?")
    assert "(1 unread)" in stage.screen.said[-1]


def test_a_gap_is_told() -> None:
    stage = logged_in()
    stage.client.callbacks["on_gap"](Gap(None, Seq(7, 0)))
    assert "missing" in stage.screen.said[-1]


def test_a_connection_lost_and_found_is_told_once_each() -> None:
    stage = logged_in()
    stage.client.become(State.RECONNECTING)
    stage.client.become(State.RECONNECTING)
    stage.client.become(State.ONLINE)
    assert stage.screen.said[-2:] == ["Connection lost, connecting again...", "Connected again"]
    presence(stage, MING)
    assert stage.screen.said[-1] == "User id:\t 101 小明 came online"


def test_a_connection_found_before_any_login_is_told_as_well() -> None:
    stage = Stage([], ends=False, interactive=True)
    stage.client.become(State.RECONNECTING)
    stage.client.become(State.ONLINE)
    assert stage.screen.said[-1] == "Connected again"


def test_a_connection_that_never_was_has_not_ended() -> None:
    stage = Stage([], connect=GONE, interactive=True)
    assert stage.screen.errors == ["Can't reach the server host:1: connection refused"]


def test_the_end_of_the_connection_is_no_news_when_leaving() -> None:
    closing: Deferred[None] = Deferred()
    stage = logged_in(close=closing)
    stage.screen.answer("4")
    stage.client.become(State.OFFLINE)
    closing.callback(None)
    assert stage.screen.errors == []
    assert stage.status == 0


def presence(stage: Stage, *people: Person, online: int = 9, seconds: float = 1.0) -> None:
    stage.client.callbacks["on_presence"](people, online)
    stage.clock.advance(seconds)


def test_comings_and_goings_are_told() -> None:
    stage = logged_in()
    for status in (Status.ONLINE, Status.BUSY, Status.BUSY, Status.ONLINE, Status.OFFLINE):
        presence(stage, Person(101, "小明", status))
    assert stage.screen.said[-4:] == [
        "User id:\t 101 小明 came online",
        "User id:\t 101 小明 is busy",
        "User id:\t 101 小明 is no longer busy",
        "User id:\t 101 小明 left",
    ]


@pytest.mark.parametrize(
    "people",
    [
        [Person(100, "Tom", Status.BUSY)],
        [Person(101, "小明", Status.ONLINE), Person(101, "小明", Status.OFFLINE)],
        [Person(101, "小明", Status.OFFLINE)],
        [],
    ],
)
def test_what_is_no_news_is_not_told(people: list[Person]) -> None:
    stage = logged_in()
    before = len(stage.screen.said)
    presence(stage, *people)
    assert len(stage.screen.said) == before


def test_many_who_come_at_once_are_one_line() -> None:
    stage = logged_in()
    before = len(stage.screen.said)
    crowd = [Person(200 + n, "", Status.ONLINE) for n in range(10)]
    presence(stage, *crowd, online=11)
    presence(stage, Person(200, "", Status.OFFLINE), online=10)
    presence(stage, Person(201, "", Status.OFFLINE), online=9)
    assert stage.screen.said[before:] == ["10 came, 0 left, 11 online now"]
    stage.clock.advance(10)
    assert stage.screen.said[before + 1 :] == ["User id:\t 200 left", "User id:\t 201 left"]


def test_nothing_more_is_told_after_the_connection_is_lost() -> None:
    stage = logged_in()
    stage.client.callbacks["on_presence"]([MING], 2)
    stage.client.become(State.RECONNECTING)
    stage.clock.advance(60)
    assert "小明" not in stage.said


def test_times_are_those_of_the_machine_where_no_zone_is_given() -> None:
    here = message(1)
    local = here.sent_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert Wording(str).dated(here).startswith(local)
    assert isinstance(here.sent_at, datetime)


def test_of_what_was_read_only_the_latest_is_kept_and_all_that_was_not() -> None:
    log = MessageLog()
    log.add_new(private(1))
    log.add_old(message(n) for n in range(2, 2 * MAX_READ + 2))
    kept = log.latest(10 * MAX_READ)
    assert len(kept) == MAX_READ + 1
    assert kept[0] == (private(1), True)
    assert kept[1].message.seq == Seq(MAX_READ + 2, 0)


def test_an_unread_message_is_listed_however_old_it_is() -> None:
    log = MessageLog()
    log.add_new(private(1))
    log.add_old(message(n) for n in range(2, 20))
    assert [entry.message.seq.ms for entry in log.latest(2)] == [1, 18, 19]


def at(hours: float) -> datetime:
    """So many hours after all other messages of these tests, by the server's clock."""
    return datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(hours=hours)


def listed(log: MessageLog, limit: int = 50) -> list[str]:
    return [entry.message.content for entry in log.latest(limit)]


def test_a_private_message_just_read_is_listed_though_the_room_has_later_times() -> None:
    log = MessageLog()
    # The server's clock was a day ahead while these were sent, and was then set right.
    log.add_old(message(n, f"room {n}", sent_at=at(24 + n / 60)) for n in range(60))
    log.add_new(private(1, "one", sent_at=at(1)))
    log.add_new(private(2, "two", sent_at=at(1)))
    for _ in range(2):
        assert [text for text in listed(log) if "room" not in text] == ["one", "two"]
        log.mark_all_read()
    assert len(listed(log)) == 50
    log.add_new(private(3, "three", sent_at=at(1)))
    log.mark_read(101, Seq(3, 0))
    assert [text for text in listed(log) if "room" not in text] == ["one", "two", "three"]


def test_what_one_has_just_written_in_private_is_listed_though_the_room_has_later_times() -> None:
    mine = private(9, "mine", own=True, user_id=100, sent_at=at(1))
    room = History([message(n, f"room {n}", sent_at=at(24 + n / 60)) for n in range(60)], False)
    stage = logged_in(history=room)
    for answer in ("5", "101", "mine"):
        stage.screen.answer(answer)
    stage.client.answers["history"] = History([*room.messages[10:], mine], False)
    stage.screen.answer("3")
    assert "mine" in "\n".join(stage.screen.said)


def test_much_that_was_read_in_the_room_hides_no_private_message_just_read() -> None:
    log = MessageLog()
    log.add_new(private(1, "psst", sent_at=at(1)))
    for n in range(60):
        log.add_new(message(n, f"room {n}", sent_at=at(24 + n / 60)))
    log.mark_all_read()
    assert "psst" in listed(log)
    assert "room 59" in listed(log)
    assert len(listed(log)) == 50


@pytest.mark.parametrize("wrong", [-24, 24 * 365])
def test_one_time_that_is_wrong_changes_nothing_of_a_conversations_order(wrong: float) -> None:
    log = MessageLog()
    times = [1, 2, 3 + wrong, 4, 5]
    log.add_old(message(n, f"room {n}", sent_at=at(hours)) for n, hours in enumerate(times))
    log.add_old(private(n, f"to me {n}", sent_at=at(n + 1.5)) for n in range(5))
    texts = listed(log)
    assert [text for text in texts if "room" in text] == [f"room {n}" for n in range(5)]
    assert [text for text in texts if "to me" in text] == [f"to me {n}" for n in range(5)]
    assert texts[-3:] == ["to me 3", "room 4", "to me 4"]


def test_what_was_just_read_is_kept_however_much_comes_with_later_times() -> None:
    log = MessageLog()
    log.add_new(private(1, "psst", sent_at=at(-24)))
    log.mark_all_read()
    log.add_old(message(n) for n in range(3 * MAX_READ))
    assert "psst" in listed(log)


def test_ones_own_messages_and_those_read_elsewhere_are_not_unread() -> None:
    log = MessageLog()
    log.mark_read(101, Seq(5, 0))
    log.mark_read(101, Seq(3, 0))
    log.add_new(private(4))
    log.add_new(private(9, own=True))
    log.add_new(message(9, own=True))
    assert log.unread == 0
    assert log.mark_all_read() == {}


def test_a_message_that_was_not_numbered_within_its_millisecond_is_marked_before() -> None:
    stage = logged_in()
    stage.arrive(private(0, seq=Seq(7, 3)), private(0, seq=Seq(0, 0), peer=102))
    assert stage.called("mark_read") == [(101, "7-2"), (102, "0-0")]


def test_what_came_in_the_millisecond_before_a_new_conversation_is_before_it() -> None:
    stage = logged_in()
    stage.arrive(private(0, seq=Seq(5, 0)))
    ((_, marked),) = stage.called("mark_read")
    assert Seq(4, 7) < Seq.parse(marked) < Seq(5, 0)
