"""The file of certificates that were accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatroom.client import KnownServers
from chatroom.client.connection.trust import default_path

ONE = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
OTHER = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "chatroom" / "known_servers"


def test_what_was_added_is_known_now_and_in_later_runs(file: Path) -> None:
    known = KnownServers(file)
    assert known.get("a:1") is None
    known.add("a:1", ONE)
    known.add("[::1]:8889", OTHER)
    for each in (known, KnownServers(file)):
        assert each.get("A:1") == ONE
        assert each.get("[::1]:8889") == OTHER
        assert each.get("a:2") is None
    assert file.read_text() == f"a:1 {ONE}\n[::1]:8889 {OTHER}\n"


def test_nobody_else_can_read_it(file: Path) -> None:
    KnownServers(file).add("a:1", ONE)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_written_by_hand_is_read_and_added_to(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f"# mine\n\nA.example:1   {ONE}")
    known = KnownServers(file)
    assert known.get("a.example:1") == ONE
    known.add("b:1", OTHER)
    assert file.read_text().splitlines()[-2:] == [f"A.example:1   {ONE}", f"b:1 {OTHER}"]


@pytest.mark.parametrize("line", ["a:1", f"a:1 {ONE} more", "a:1 SHA256:short"])
def test_a_line_that_can_not_be_understood_is_no_unknown_server(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f"# mine\n{line}\n")
    with pytest.raises(ValueError, match="known_servers, line 2: not a server") as caught:
        KnownServers(file)
    assert "\n" not in str(caught.value)


def test_what_can_not_be_written_is_known_for_this_run(file: Path, tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    # A file where a folder should be: what fails for root too.
    with pytest.raises(NotADirectoryError):
        KnownServers(file)
    (tmp_path / "config").unlink()
    known = KnownServers(file)
    (tmp_path / "config").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        known.add("a:1", ONE)
    assert known.get("a:1") == ONE


def test_it_lies_where_the_xdg_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    at_home = Path("/home/me/.config/chatroom/known_servers")
    assert default_path({}) == default_path({"XDG_CONFIG_HOME": "relative"}) == at_home
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/chatroom/known_servers")
