"""What an operator may write, and how an answer is printed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from chatroom.admin import arguments as inputs
from chatroom.admin.arguments import arguments
from chatroom.admin.context import Failed, address_of
from chatroom.admin.output import Output, in_words, printable
from chatroom.config.redis_address import RedisAddress


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)]
)
def test_a_time_has_a_unit(text: str, seconds: int) -> None:
    assert inputs.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "0h", "-1h", "1.5h", "1y", "99999999w", "١h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 30m"):
        inputs.duration(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("100", 100),
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:DB8::7", "2001:db8::7/128"),
        ("2001:db8::7/48", "2001:db8::/48"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
    ],
)
def test_a_target_is_an_account_or_a_network(text: str, target: int | str) -> None:
    assert inputs.target(text) == target


@pytest.mark.parametrize("text", ["0", "9007199254740992", "192.0.2", "192.0.2.0/33", "ann", ""])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        inputs.target(text)


@pytest.mark.parametrize("text", ["x" * 501, "one\ntwo", "\x1b[2J", "\udcff"])
def test_a_reason_is_one_harmless_line(text: str) -> None:
    with pytest.raises(ValueError):
        inputs.reason(text)
    assert inputs.reason("太吵了 (spam)") == "太吵了 (spam)"


@pytest.mark.parametrize("text", ["", " \n", "\0", "x" * 4001, "\udcff"])
def test_an_announcement_can_be_sent(text: str) -> None:
    with pytest.raises(ValueError):
        inputs.announcement(text)
    assert inputs.announcement("two\nlines") == "two\nlines"


def test_the_environment_says_where_the_store_is_unless_the_command_line_does() -> None:
    environ = {"CHATROOM_REDIS": "redis://one", "CHATROOM_DATA": "/data"}
    args = arguments(["nodes"], environ)
    assert (args.redis, args.data) == (RedisAddress(host="one"), Path("/data"))
    assert arguments(["nodes", "--redis", "redis://two"], environ).redis == RedisAddress(host="two")
    args = arguments(["passwd", "7"], {})
    assert (args.redis, args.data) == (None, Path("chatroom-data").absolute())
    assert (args.argon2.memory_kib, args.min_password_length) == (19456, 6)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "required: COMMAND"),
        (("show", "nobody"), "is not a user id (a whole number from 1 to 9007199254740991)"),
        (("ban", "example.org"), "neither a user id nor an address"),
        (("ban", "5", "--for", "soon"), "write 30m, 12h, 7d or 2w"),
        (("ban", "5", "--reason", "two\nlines"), "one line"),
        (("announce", " "), "nothing to announce"),
        (("dance",), "invalid choice"),
        (("nodes", "--redis", "http://x"), "not a Redis URL"),
    ],
)
def test_a_wrong_command_line_is_a_wrong_call(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], why: str
) -> None:
    with pytest.raises(SystemExit) as end:
        arguments(argv, {})
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert why in told.err


def test_a_bad_environment_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        arguments(["nodes"], {"CHATROOM_REDIS": "nonsense"})
    assert end.value.code == 2
    assert "not a Redis URL" in capsys.readouterr().err


def test_a_closed_data_folder_says_whose_user_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(Failed, match="closed to this user"):
        address_of(None, Path("/data"))


def test_nothing_that_is_printed_is_obeyed_by_a_terminal() -> None:
    assert printable("a\x1b[2J\n\u202eb\ud800小明") == "a\ufffd[2J\ufffd\ufffdb\ufffd小明"
    stream = io.StringIO()
    Output(json=False, stream=stream).table({}, ("ID", "NAME"), [(1, "a\nb"), (1000, "c")])
    assert stream.getvalue() == "ID    NAME\n1     a\ufffdb\n1000  c\n"


def test_as_json_it_is_one_value() -> None:
    stream = io.StringIO()
    Output(json=True, stream=stream).give({"name": "a\n\x1b小明"}, ["not this"])
    assert json.loads(stream.getvalue()) == {"name": "a\n\x1b小明"}
    assert len(stream.getvalue().splitlines()) == 1


def test_a_sanction_in_words() -> None:
    assert in_words(None) == ""
    assert in_words({"until": None, "reason": ""}) == "for good"
    ends = {"until": "2026-01-01T00:00:00Z", "reason": "spam"}
    assert in_words(ends) == "until 2026-01-01T00:00:00Z (spam)"
