"""A certificate that is new: a person is asked, a script is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatroom.client import Doubt, KnownServers, Trust, Untrusted
from chatroom.terminal.screen import EndOfInput
from tests.terminal.menu_stage import Stage

SHOWN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
OTHER = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
NEW = Untrusted(Doubt.UNKNOWN, "host:1", SHOWN, reason="it is self-signed")
INVALID = Untrusted(Doubt.INVALID, "host:1", SHOWN, reason="it has expired")
CHANGED = Untrusted(Doubt.CHANGED, "host:1", SHOWN, known=OTHER, file=Path("/me/known"))
VOUCHED = Untrusted(Doubt.CHANGED, "host:1", SHOWN, known=OTHER, file=Path("/me/k"), vouched=True)
PINNED = Untrusted(Doubt.CHANGED, "host:1", SHOWN, known=OTHER)


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(known=KnownServers(tmp_path / "known"))


def at_the_question(trust: Trust, *answers: str, error: Untrusted = NEW) -> Stage:
    """A person who has connected for the first time, and answered so far as is given."""
    return Stage([*answers], interactive=True, ends=False, trust=trust, connect=error)


def test_a_person_who_says_yes_is_connected_and_the_certificate_is_kept(
    trust: Trust, tmp_path: Path
) -> None:
    stage = at_the_question(trust)
    assert SHOWN in stage.said
    assert "host:1 (it is self-signed)" in stage.said
    assert not (tmp_path / "known").exists()
    stage.client.answers["connect"] = None
    stage.screen.answer("yes")
    assert f"Remembered in {tmp_path}/known" in stage.said
    assert "Welcome to the chat room" in stage.said
    assert KnownServers(tmp_path / "known").get("host:1") == SHOWN
    assert stage.screen.errors == []


def test_another_certificate_at_the_second_look_is_refused(trust: Trust) -> None:
    stage = at_the_question(trust)
    stage.client.answers["connect"] = CHANGED
    stage.screen.answer("yes")
    assert stage.status == 1
    assert "HAS CHANGED" in stage.screen.errors[0]


def test_a_person_who_says_no_is_not_connected_and_nothing_is_kept(
    trust: Trust, tmp_path: Path
) -> None:
    stage = at_the_question(trust)
    stage.screen.answer(" No ")
    assert stage.status == 1
    assert stage.called("connect") == [()]
    assert not (tmp_path / "known").exists()


@pytest.mark.parametrize("answer", ["", "y", "1", "maybe"])
def test_any_other_answer_is_asked_again(trust: Trust, answer: str) -> None:
    stage = at_the_question(trust, answer)
    assert stage.is_asking()
    assert len(stage.screen.questions) == 2
    assert "(yes/no)" in stage.screen.questions[1].prompt


def test_a_person_may_leave_instead(trust: Trust) -> None:
    stage = Stage([EndOfInput()], interactive=True, trust=trust, connect=NEW)
    assert stage.status == 1
    assert stage.called("connect") == [()]


def test_what_can_not_be_kept_is_accepted_for_once_and_said(trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    stage = at_the_question(trust)
    stage.client.answers["connect"] = None
    stage.screen.answer("yes")
    (error,) = stage.screen.errors
    assert error == (
        f"Could not be remembered in {tmp_path}/known (Is a directory); you will be asked again "
        "next time"
    )
    assert "Welcome to the chat room" in stage.said


def test_a_script_is_told_what_to_give_and_asked_nothing(trust: Trust) -> None:
    stage = Stage(["yes", "yes"], trust=trust, connect=NEW)
    assert stage.status == 1
    assert stage.screen.questions == []
    (error,) = stage.screen.errors
    assert f"give --tls-fingerprint {SHOWN}" in error
    assert "\n" not in error


@pytest.mark.parametrize("interactive", [False, True])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (INVALID, ["is not valid (it has expired)"]),
        (CHANGED, ["HAS CHANGED", SHOWN, OTHER, "remove its line from /me/known and"]),
        (VOUCHED, ["HAS CHANGED", "remove its line from /me/k and", "vouch for the new one"]),
        (PINNED, ["THIS IS NOT THE CERTIFICATE THAT WAS ASKED FOR", SHOWN, OTHER]),
    ],
)
def test_what_is_wrong_is_a_refusal_and_never_a_question(
    trust: Trust, error: Untrusted, words: list[str], interactive: bool
) -> None:
    stage = Stage(["yes"], interactive=interactive, trust=trust, connect=error)
    assert stage.status == 1
    assert stage.screen.questions == []
    (said,) = stage.screen.errors
    assert [word for word in words if word not in said] == []
    assert ("vouch" in said) is error.vouched


def test_it_is_said_in_chinese_as_well(trust: Trust) -> None:
    stage = Stage(["no"], interactive=True, trust=trust, connect=NEW, language="zh")
    assert "证书的指纹" in stage.said
    assert "(yes/no)" in stage.screen.questions[0].prompt
