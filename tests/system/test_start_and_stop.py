"""``twistd chatroom`` and ``twistd -y chatroom.tac``: started, at work, and stopped again."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatroom.ops.launch import LOG_SIZE, OLD_LOGS
from chatroom.protocol import codec, messages as wire
from tests.ports import own_port
from tests.system.lab import (
    ANY_PORT,
    CHEAP,
    TAC,
    TWISTD,
    Lab,
    Server,
    alive,
    environment,
    until,
    works_for,
)
from tests.wire import PATIENCE


def _talk(server: Server) -> None:
    with server.client() as alice:
        alice.enter(100)
        assert alice.say("hello").code == 200


def _settings(data: Path) -> dict[str, str]:
    return environment(
        CHATROOM_LISTEN="tcp:0:interface=127.0.0.1",
        CHATROOM_DATA=str(data),
        CHATROOM_ARGON2="1,8,1",
        CHATROOM_MIN_PASSWORD_LENGTH="9",
    )


def test_starting_says_what_listens_where_and_where_everything_is_kept(server: Server) -> None:
    log = server.log()
    assert f"Listening on 127.0.0.1:{server.port} (tcp:0:interface=127.0.0.1)" in log
    assert f"Everything is kept in {server.data} (Valkey" in log
    assert server.errors() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_sessions_are_told_and_all_is_gone_soon_after_a_signal(
    lab: Lab, number: signal.Signals
) -> None:
    server = lab.server()
    valkey = server.valkey
    with server.client() as alice, server.client() as original, server.client() as guest:
        alice.enter(100)
        original.enter(101, dialect=1)
        alice.send(wire.SmsMes(content="on its way", id="last words"))
        server.send_signal(number)
        told = alice.expect_end()
        assert isinstance(told[-1], wire.ErrorMes)
        assert (told[-1].code, told[-1].reconnect) == (409, True)
        assert all(isinstance(message, wire.SmsMes) for message in original.expect_end())
        assert guest.expect_end() == []
        status = server.wait()
    assert status in (0, -signal.SIGTERM, -number)
    assert not alive(valkey)
    assert server.errors() == ""
    assert "Traceback" not in server.log()
    assert "Unhandled" not in server.log()


def test_what_is_in_hand_at_the_end_is_kept(lab: Lab) -> None:
    server = lab.server()
    ids = [f"message {number}" for number in range(90)]
    with server.client() as alice:
        alice.enter(100)
        alice.send(*(wire.SmsMes(content="in hand", id=name) for name in ids))
        alice.expect(wire.AckMes)
        server.send_signal(signal.SIGTERM)
        told = [*alice.got, *alice.expect_end()]
    server.wait()
    acknowledged = {mes.id for mes in told if isinstance(mes, wire.AckMes) and mes.code == 200}
    again = lab.server(data=server.data)
    with again.client() as alice:
        alice.log_in(100)
        kept = {message.id for message in alice.history()}
    assert acknowledged <= kept


def test_it_starts_again_on_its_port_at_once(lab: Lab) -> None:
    here = ("--listen", f"tcp:{own_port()}:interface=127.0.0.1")
    first = lab.server(listen=here)
    with first.client() as alice:
        alice.enter(100)
        # The server closes first, which leaves the port in TIME_WAIT.
        first.stop()
    again = lab.server(listen=here)
    assert again.port == first.port


def test_it_listens_on_every_endpoint_that_is_named(lab: Lab) -> None:
    path = lab.folder / "chat.sock"
    if len(str(path)) > 100:
        pytest.skip("the temporary folder's path is too long for a socket")
    server = lab.server("--listen", f"unix:{path}")
    _talk(server)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(codec.frame(codec.encode(wire.PingMes())))
        assert codec.decode(connection.recv(4096)[4:]) == wire.PongMes()
    server.stop()
    assert not path.exists()


def test_as_a_daemon_it_works_and_stops(lab: Lab) -> None:
    data = lab.folder / "data"
    arguments = ["chatroom", *ANY_PORT, *CHEAP, "--data", "data"]
    parent, server = lab.daemon(arguments, data)
    assert (parent.status, parent.said) == (0, "")
    server.wait_until_ready()
    assert (data / "lock").read_text().strip() == str(server.pid)
    _talk(server)
    valkey = server.valkey
    server.stop()
    assert not alive(valkey)
    assert "Traceback" not in server.log()
    assert not list(lab.folder.glob("*.pid"))


@pytest.mark.parametrize("whose", ["its own, as in a container", "a program's that is no twistd"])
def test_a_pidfile_that_a_killed_server_left_stops_no_start(lab: Lab, whose: str) -> None:
    data, pid_file = lab.folder / "data", lab.folder / "left.pid"
    other = lab.start(["sleep", "600"], lab.folder / "o", lab.folder / "e", environment())
    # The process that exec makes a twistd has the number that the file names.
    number = "$$" if whose.startswith("its own") else str(other.pid)
    arguments = f"chatroom {' '.join(ANY_PORT)} --data {data}"
    script = f"echo {number} >{pid_file}; exec {TWISTD} -n --pidfile={pid_file} {arguments}"
    server = lab.foreground(["sh", "-c", script], data)
    assert int(pid_file.read_text()) == server.pid
    server.stop()
    assert not pid_file.exists()


def test_in_the_foreground_there_is_no_pidfile_unless_it_is_asked_for(lab: Lab) -> None:
    data = lab.folder / "data"
    (lab.folder / "twistd.pid").write_text("1")
    server = lab.foreground([TWISTD, "-n", "chatroom", *ANY_PORT, "--data", str(data)], data)
    server.stop()
    assert (lab.folder / "twistd.pid").read_text() == "1"


def test_a_pidfile_keeps_another_twistd_out(lab: Lab, server: Server) -> None:
    pid_file = lab.folder / "taken.pid"
    pid_file.write_text(str(server.pid))
    ended = lab.run([TWISTD, f"--pidfile={pid_file}", "chatroom", *ANY_PORT, "--data", "other"])
    assert ended.status == 1
    assert f"Another twistd server is running, PID {server.pid}" in ended.said
    pid_file.unlink()


@pytest.mark.parametrize("start", ["plugin", "tac"])
def test_the_log_is_turned_over_and_only_so_many_old_ones_are_kept(lab: Lab, start: str) -> None:
    data = lab.folder / "data"
    log = lab.folder / "chat.log"
    log.write_bytes(b"x" * (LOG_SIZE + 1))
    for number in range(1, 40):
        (lab.folder / f"chat.log.{number}").touch()
    own = [TWISTD, "-n", "--pidfile=", f"--logfile={log}"]
    command = (
        ["chatroom", *ANY_PORT, "--data", str(data)] if start == "plugin" else ["-y", str(TAC)]
    )
    output, errors = lab.folder / "out", lab.folder / "err"
    process = lab.start([*own, *command], output, errors, _settings(data))
    server = Server(process, log, errors, data)
    until(lambda: "Ready" in server.log())
    # At the first line of all it was turned over by twistd's rule, at some later one by ours.
    server.send_signal(signal.SIGUSR1)
    until(lambda: not (lab.folder / f"chat.log.{OLD_LOGS + 1}").exists())
    assert (lab.folder / f"chat.log.{OLD_LOGS}").exists()
    server.stop()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can get at, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _environment_of_another_user() -> dict[str, str]:
    # What measures coverage writes where only the user who runs the tests may.
    return {key: text for key, text in environment().items() if not key.startswith("COVERAGE")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_a_daemon_it_can_give_up_root(lab: Lab, public_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    if not works_for(nobody.pw_uid):
        pytest.skip("another user can't get at this Python and its packages")
    data = public_folder / "data"
    public_folder.chmod(0o777)
    parent, server = lab.daemon(
        ["chatroom", *ANY_PORT, *CHEAP, "--data", str(data)],
        data,
        options=("--uid", "nobody", "--gid", str(nobody.pw_gid)),
        folder=public_folder,
        env=_environment_of_another_user(),
    )
    assert (parent.status, parent.said) == (0, "")
    server.wait_until_ready()
    _talk(server)
    assert Path(f"/proc/{server.pid}").stat().st_uid == nobody.pw_uid
    assert Path(f"/proc/{server.valkey}").stat().st_uid == nobody.pw_uid
    assert {path.stat().st_uid for path in [data, *data.rglob("*")]} == {nobody.pw_uid}
    server.stop()
    assert "Traceback" not in server.log()


def test_the_tac_takes_its_settings_from_the_environment(lab: Lab) -> None:
    data = lab.folder / "data"
    server = lab.foreground([TWISTD, "-n", "--pidfile=", "-y", str(TAC)], data, **_settings(data))
    _talk(server)
    with server.client() as short:
        assert short.register(101, password="8 bytes.") == 506
    assert server.stop() == -signal.SIGTERM
    assert server.errors() == ""
    assert "Traceback" not in server.log()


def test_the_tac_as_a_daemon_works_and_stops(lab: Lab) -> None:
    data = lab.folder / "data"
    parent, server = lab.daemon(["-y", str(TAC)], data, env=_settings(data))
    assert (parent.status, parent.said) == (0, "")
    server.wait_until_ready()
    _talk(server)
    server.stop()
    assert "Traceback" not in server.log()


def test_twistd_help_names_every_option_with_its_default(lab: Lab) -> None:
    ended = lab.run([TWISTD, "chatroom", "--help"])
    assert ended.status == 0
    for words in ("--listen=", "tcp:8889", "--redis=", "--data=", "chatroom-data", "seconds"):
        assert words in ended.output


def test_sigusr2_tells_what_is_inside(lab: Lab) -> None:
    server = lab.server()
    with server.client() as alice, server.client():
        alice.enter(100)
        server.send_signal(signal.SIGUSR2)
        until(lambda: "Diagnostics: " in server.log())
        [line] = re.findall(r"Diagnostics: (.*)", server.log())
        counts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}
        assert {name: counts[name] for name in ("sessions", "members", "queued")} == {
            "sessions": 2,
            "members": 1,
            "queued": 0,
        }
        assert min(counts["timers"], counts["deferreds"], counts["objects"], counts["threads"]) > 0
        assert alice.say("still here").code == 200
