"""What the running server keeps from others: its files, its store, and under systemd more."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.lab import PROC, PROGRAMS, TAC, Lab

CHECKOUT = TAC.parent
UNIT = CHECKOUT / "deploy" / "chatroom.service"
#: Most that ``systemd-analyze security`` may say, whose versions differ; 252 says 1.4.
EXPOSURE = 2.0

needs_proc = pytest.mark.skipif(not (PROC / "net/tcp").exists(), reason="asks Linux's /proc")


# ---------------------------------------------------------------- files and ports


def test_nobody_else_can_read_anything_in_the_data_folder(lab: Lab) -> None:
    before = os.umask(0)  # what is closed only by the caller's habits is not closed
    try:
        server = lab.server()
    finally:
        os.umask(before)
    with server.client() as alice:
        alice.enter(100)
        assert alice.say("hello").code == 200
        assert alice.tell(100, "to myself").code == 200
    paths = [server.data, *server.data.rglob("*")]
    assert {"lock", "node", "store", "valkey.conf", "valkey.sock"} <= {path.name for path in paths}
    for path in paths:
        mode = path.lstat().st_mode
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        assert stat.S_IMODE(mode) == wanted, f"{path} has {stat.filemode(mode)}"


def _internet_sockets(process: int) -> set[str]:
    """The kernel's numbers of the process's TCP and UDP sockets."""
    known = {
        line.split()[9]
        for name in ("tcp", "tcp6", "udp", "udp6")
        if (PROC / "net" / name).exists()
        for line in (PROC / "net" / name).read_text().splitlines()[1:]
    }
    links = [str(link.readlink()) for link in (PROC / str(process) / "fd").iterdir()]
    return {found[1] for link in links if (found := re.match(r"socket:\[(\d+)\]", link))} & known


@needs_proc
def test_the_private_store_is_on_no_network(lab: Lab) -> None:
    server = lab.server()
    assert len(_internet_sockets(server.pid)) == 1, "the port that clients come to"
    assert _internet_sockets(server.valkey) == set()


# ---------------------------------------------------------------- the unit for systemd


def _directives() -> dict[str, list[str]]:
    """What the unit says, all of one name together."""
    lines = re.findall(r"^(\w+)=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for name, value in lines:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(
            (name, ["yes"])
            for name in (
                *("DynamicUser", "NoNewPrivileges", "LockPersonality", "MemoryDenyWriteExecute"),
                *("PrivateDevices", "PrivateIPC", "PrivateTmp", "PrivateUsers", "RemoveIPC"),
                *("ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname"),
                *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
                *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
            )
        ),
        ("ProtectSystem", ["strict"]),
        ("ProtectProc", ["invisible"]),
        ("ProcSubset", ["pid"]),
        ("DevicePolicy", ["closed"]),
        ("KeyringMode", ["private"]),
        ("CapabilityBoundingSet", [""]),
        ("AmbientCapabilities", [""]),
        ("RestrictAddressFamilies", ["AF_INET AF_INET6 AF_UNIX"]),
        ("SystemCallArchitectures", ["native"]),
        ("SystemCallFilter", ["@system-service", "~@privileged"]),
        ("UMask", ["0077"]),
        ("StateDirectory", ["chatroom"]),
        ("StateDirectoryMode", ["0700"]),
        ("LimitNOFILE", ["65536"]),
        ("Restart", ["always"]),
        # Else systemd would stop the private store together with its server.
        ("KillMode", ["mixed"]),
    ],
)
def test_the_unit_gives_nothing_away(name: str, values: list[str]) -> None:
    assert _directives()[name] == values


def test_what_the_unit_starts_is_the_server(lab: Lab) -> None:
    [command] = _directives()["ExecStart"]
    here = {"/opt/chatroom/bin/": f"{PROGRAMS}/", "/opt/chatroom/chatroom.tac": str(TAC)}
    for place, ours in here.items():
        assert place in command
        command = command.replace(place, ours)
    assert _directives()["Environment"] == ["CHATROOM_DATA=%S/chatroom"]
    data = lab.folder / "state" / "chatroom"
    settings = {
        "CHATROOM_DATA": str(data),
        "CHATROOM_LISTEN": "tcp:0:interface=127.0.0.1",
        "CHATROOM_ARGON2": "1,8,1",
    }
    server = lab.foreground(command.split(), data, **settings)
    with server.client() as alice:
        alice.enter(100)
        assert alice.say("hello").code == 200
    server.stop()
    assert not list(lab.folder.glob("*.tap")), "twistd keeps no state of its own"


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here")
    ran = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if "unrecognized option" in ran.stderr:
        pytest.skip("systemd is older than the unit needs")
    return ran


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # Where it is to be installed, nothing is.
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/chatroom/bin/twistd", sys.executable))
    ran = _analyze("verify", "--man=no", str(unit))
    assert unit.name not in ran.stderr
    assert ran.returncode == 0, ran.stderr


def test_systemd_finds_the_unit_little_exposed() -> None:
    ran = _analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", ran.stdout)
    assert found is not None, ran.stdout + ran.stderr
    assert float(found[1]) <= EXPOSURE
