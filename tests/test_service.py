"""The service put together in this process, and what is checked before a reactor runs."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import endpoints, reactor as running
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock

from chatroom import service
from chatroom.config import settings
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.config.options import Settings
from chatroom.config.redis_address import RedisAddress
from chatroom.ops import listening, preflight as start_check, store_start
from chatroom.ops.launch import Launch
from chatroom.ops.preflight import check_endpoints, check_redis, check_user
from chatroom.protocol import codec, messages as wire
from chatroom.service import ChatService, make_service
from chatroom.store.valkey.binary import find_binary
from tests.certificates import Issued
from tests.doubles.valkey import Valkey
from tests.store.contract.nodes import until
from tests.system.torture.proxy import Proxy

# zope's interfaces tell mypy too little.
reactor: Any = running

LOCAL = "tcp:0:interface=127.0.0.1"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for sockets: pytest's own have paths longer than a socket's may be."""
    with tempfile.TemporaryDirectory(prefix="chatroom-") as path:
        yield Path(path)


@pytest.fixture
def valkey(folder: Path) -> Iterator[Valkey]:
    server = Valkey(find_binary()[0], folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def asked_for(folder: Path, *listen: str, **more: str) -> Settings:
    """Settings as they are read from a command line."""
    given = {name: [value] for name, value in more.items()}
    return settings.read({"listen": list(listen or [LOCAL]), "data": [str(folder / "d")], **given})


def put_together(folder: Path, address: RedisAddress, *listen: str, **more: str) -> ChatService:
    """The service on a store that others run, without the checks before it."""
    data = DataFolder(folder / "d")
    data.open()
    return ChatService(reactor, asked_for(folder, *listen, **more), data, None, address)


async def answer(client: socket.socket) -> bytes:
    """What comes next on a connection."""
    await until(lambda: select.select([client], [], [], 0)[0])
    return client.recv(10_000)


# ---------------------------------------------------------------- running


@pytest_twisted.ensureDeferred
async def test_it_starts_from_the_store_up_to_the_port_says_so_and_stops(
    folder: Path, logged: list[str]
) -> None:
    chat: Any = make_service(asked_for(folder))
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    [where] = [line for line in logged if line.startswith("Listening on 127.0.0.1:")]
    assert any(str(folder / "d") in line and "fsync everysec" in line for line in logged)
    port = int(where.split()[2].split(":")[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(codec.frame(codec.encode(wire.PingMes())))
        assert b"PongMes" in await answer(client)
        await chat.stopService()
        assert await answer(client) == b""
    with socket.socket() as late, pytest.raises(OSError, match="refused"):
        late.connect(("127.0.0.1", port))
    DataFolder(folder / "d").open()


@pytest_twisted.ensureDeferred
async def test_the_page_is_served_and_its_link_is_logged(folder: Path, logged: list[str]) -> None:
    web = ["tcp:0:interface=127.0.0.1", f"unix:{folder}/web.sock"]
    given = {"listen": [LOCAL], "data": [str(folder / "d")], "web": web}
    chat: Any = make_service(settings.read(given))
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    links = [line.split()[4] for line in logged if line.startswith("The page is at ")]
    assert links[1] == f"{folder}/web.sock"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", links[0])
    with socket.create_connection(("127.0.0.1", int(links[0][17:-1]))) as client:
        client.sendall(b"GET /static/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await answer(client)).startswith(b"HTTP/1.1 404 Not Found\r\n")
    await chat.stopService()


@pytest_twisted.ensureDeferred
async def test_only_where_the_page_is_asks_for_its_hosts_name(
    folder: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of this machine's addresses is the network's here.
    monkeypatch.setattr(listening, "is_loopback", lambda host: host != "127.0.0.2")
    far = "tcp:0:interface=127.0.0.2"
    for listen, web, advised in ((far, LOCAL, 0), (LOCAL, far, 1)):
        data = DataFolder(folder / "d")
        ports = listening.Ports(reactor, asked_for(folder, listen, web=web), data)
        # Another transport may follow the page's.
        await ports.open({"--web": Factory(), "--listen": Factory()})
        assert sum("--web-host" in line for line in logged) == advised
        await ports.close()


@pytest.mark.parametrize(
    ("endpoint", "where", "url"),
    [
        ("tcp:8890", "0.0.0.0:8890", "http://localhost:8890/"),
        ("tcp6:8890", ":::8890", "http://localhost:8890/"),
        ("tcp:8890:interface=::1", "::1:8890", "http://[::1]:8890/"),
        ("ssl:443:privateKey=key.pem", "192.0.2.1:443", "https://192.0.2.1:443/"),
        ("tls:/run/pem:tcp:8443", "192.0.2.1:8443", "https://192.0.2.1:8443/"),
        ("unix:/run/web.sock", "/run/web.sock", "/run/web.sock"),
    ],
)
def test_the_link_is_what_a_browser_can_be_given(endpoint: str, where: str, url: str) -> None:
    assert listening.browser_url(endpoint, where) == url


@pytest_twisted.ensureDeferred
async def test_with_a_redis_of_others_it_says_which_and_what_it_lacks(
    folder: Path, valkey: Valkey, logged: list[str]
) -> None:
    chat = put_together(folder, valkey.address, LOCAL, f"unix:{folder}/chat.sock")
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    kept = next(line for line in logged if line.startswith("Everything is kept"))
    assert str(valkey.address) in kept
    assert chat.node.name in kept
    assert any("append" in line for line in logged)
    assert any(line.startswith(f"Listening on {folder}/chat.sock") for line in logged)
    await chat.stopService()


@pytest_twisted.ensureDeferred
async def test_while_the_store_is_out_of_reach_it_says_so_and_can_be_stopped(
    folder: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_start, "PATIENCE", 0.02)
    chat = put_together(folder, RedisAddress(path=str(folder / "nothing.sock")))
    chat.startService()
    await until(lambda: sum("Still connecting" in line for line in logged) >= 2)
    await chat.stopService()
    assert not any("Traceback" in line or "can't start" in line for line in logged)


@pytest.mark.parametrize("why", ["taken", "fault"])
@pytest_twisted.ensureDeferred
async def test_what_fails_once_it_runs_is_said_in_one_line_and_ends_the_process(
    folder: Path,
    valkey: Valkey,
    taken: int,
    logged: list[str],
    monkeypatch: pytest.MonkeyPatch,
    why: str,
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *args: killed.append(args))
    chat = put_together(folder, valkey.address, f"tcp:{taken}:interface=127.0.0.1")
    if why == "fault":
        monkeypatch.setattr(chat.node, "start", lambda: 1 // 0)
    chat.startService()
    await until(lambda: killed)
    assert killed == [(os.getpid(), signal.SIGTERM)]
    [line] = [line for line in logged if "can't start" in line]
    assert (str(taken) in line) == (why == "taken")
    await chat.stopService()


@pytest_twisted.ensureDeferred
async def test_a_store_that_refuses_when_it_is_looked_at_ends_the_start(
    folder: Path, valkey: Valkey, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *args: killed.append(args))
    valkey.ask("ACL", "SETUSER", "default", "-evalsha", "-eval")
    chat = put_together(folder, valkey.address)
    chat.startService()
    await until(lambda: killed)
    assert any("can't be used" in line for line in logged)
    await chat.stopService()


class CutOnce(Proxy):
    """Cuts off the first reply to a request that holds ``to``."""

    def __init__(self, path: str, to: bytes) -> None:
        super().__init__(endpoints.UNIXClientEndpoint(reactor, path), Random(1))
        self._to = to

    def buildProtocol(self, addr: object) -> Any:
        protocol = super().buildProtocol(addr)
        if not self.cuts:
            self.cut_before_reply(self._to)
        return protocol


@pytest.mark.parametrize("request_", [b"chatroom:nodes", b"TIME", b"INFO"])
@pytest_twisted.ensureDeferred
async def test_a_store_that_is_lost_when_it_is_looked_at_is_looked_at_again(
    folder: Path,
    valkey: Valkey,
    logged: list[str],
    monkeypatch: pytest.MonkeyPatch,
    request_: bytes,
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: logged.append("killed"))
    proxy = CutOnce(str(valkey.socket), request_)
    path = folder / "proxy.sock"
    proxy.port = reactor.listenUNIX(str(path), proxy)
    chat = put_together(folder, RedisAddress(path=str(path)))
    chat.startService()
    await until(lambda: any("Ready" in line or line == "killed" for line in logged))
    assert proxy.cuts == 1
    assert not any("can't start" in line for line in logged)
    await chat.stopService()
    await proxy.close()


@pytest_twisted.ensureDeferred
async def test_the_goodbye_waits_for_a_slow_client_but_not_long(
    folder: Path, valkey: Valkey, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = put_together(folder, valkey.address)
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    monkeypatch.setattr(type(chat.node.sessions), "connections", 1)
    chat._reactor = clock = Clock()
    stopped = chat.stopService()
    await until(clock.getDelayedCalls)
    clock.pump([0.01] * round((service.GOODBYE - 0.1) / 0.01))
    assert clock.getDelayedCalls(), "it still waits"
    clock.pump([0.01] * 20)
    await stopped


# ---------------------------------------------------------------- TLS

ADVICE = "Listening in clear on a network"


@pytest_twisted.ensureDeferred
async def test_listening_in_clear_on_a_network_is_one_line_of_advice(
    folder: Path, valkey: Valkey, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # tests/transports/test_listeners.py has what is meant by it; the tests keep to this machine.
    monkeypatch.setattr(listening, "in_clear", lambda *_: True)
    chat = put_together(folder, valkey.address, LOCAL, LOCAL)
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    assert sum(ADVICE in line for line in logged) == 1
    await chat.stopService()


@pytest_twisted.ensureDeferred
async def test_for_this_machine_or_with_tls_there_is_no_advice(
    folder: Path, valkey: Valkey, logged: list[str]
) -> None:
    (folder / "own.pem").write_bytes(Issued.make("localhost").pem)
    tls = f"ssl:0:interface=127.0.0.1:privateKey={folder}/own.pem"
    chat = put_together(folder, valkey.address, LOCAL, f"unix:{folder}/chat.sock", tls)
    # Its files are read while they still can be: twistd may change to another user.
    (folder / "own.pem").unlink()
    chat.startService()
    await until(lambda: any("Ready" in line for line in logged))
    assert sum(line.startswith("Listening on") for line in logged) == 3
    assert not any(ADVICE in line or "fingerprint" in line for line in logged)
    await chat.stopService()


@pytest_twisted.ensureDeferred
async def test_with_a_certificate_of_its_own_it_says_the_fingerprint_once_and_the_same_each_time(
    folder: Path, valkey: Valkey, logged: list[str]
) -> None:
    for _ in range(2):
        chat = put_together(folder, valkey.address, LOCAL, LOCAL, tls_self_signed="1")
        chat.startService()
        await until(lambda: "Ready" in logged[-1])
        await chat.stopService()
    first, second = [line for line in logged if "its fingerprint is SHA256:" in line]
    assert first == second
    assert f"{folder}/d/tls/self-signed.pem" in first


# ---------------------------------------------------------------- before it runs


def test_a_user_that_twistd_will_change_to_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(service, "check_user", lambda *args: looked.append(args))
    owner = (os.getuid(), os.getgid())
    make_service(asked_for(folder), owner)
    assert looked == [(owner, folder / "d")]


@pytest.mark.parametrize(
    ("listen", "web"),
    [
        (["tcp:{port}"], ["tcp:{port}"]),
        (["tcp:{port}", "tcp:{port}:interface=\\:\\:"], []),
        (["tcp:{port}:interface=127.0.0.1", "tcp:{port}"], []),
        (["unix:{folder}/s"], ["unix:{folder}/s"]),
    ],
)
def test_two_endpoints_that_want_the_same_are_refused(
    folder: Path, listen: list[str], web: list[str]
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    listen, web = (
        [one.format(port=port, folder=folder) for one in those] for those in (listen, web)
    )
    option = "--web" if web else "--listen"
    with pytest.raises(StartError) as refused:
        check_endpoints({"--listen": listen, "--web": web})
    assert str(refused.value).startswith(f"can't listen on {(listen + web)[1]}: Address already in")
    assert "another --listen or --web has that" in str(refused.value)
    assert f"give {option} another one" in str(refused.value)
    # Nothing is held on to, and nothing is left.
    check_endpoints({"--listen": listen[:1]})
    assert list(folder.iterdir()) == []


def test_a_unix_socket_that_somebody_listens_on_is_refused(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{folder}/s")
        other.listen(1)
        with pytest.raises(StartError, match=r"in use; stop what uses that path or give --listen"):
            check_endpoints({"--listen": [f"unix:{folder}/s"]})
    # Nobody listens any more: Twisted takes it over, unless it is told to keep no lock.
    check_endpoints({"--listen": [f"unix:{folder}/s"]})
    with pytest.raises(StartError, match=r"in use; stop what uses that path"):
        check_endpoints({"--listen": [f"unix:{folder}/s:lockfile=0"]})
    assert [path.name for path in folder.iterdir()] == ["s"]


def test_free_ports_and_endpoints_that_can_not_be_tried_pass(folder: Path) -> None:
    check_endpoints(
        {"--listen": [LOCAL, "tcp6:0:interface=\\:\\:1", f"unix:{folder}/s", "haproxy:" + LOCAL]}
    )


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted's own
def test_a_file_that_openssl_will_not_have_is_refused_in_one_line(folder: Path) -> None:
    (folder / "own.pem").write_bytes(Issued.make("localhost").pem)
    listen = f"ssl:0:interface=127.0.0.1:privateKey={folder}/own.pem"
    check_endpoints({"--listen": [listen]})
    with pytest.raises(StartError, match=r"OpenSSL refuses a file that it names: no such file$"):
        check_endpoints({"--listen": [f"{listen}:dhParameters={folder}/none"]})


def test_an_endpoint_that_fails_in_a_way_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fault(*_: object, **more: object) -> None:
        raise ValueError("no way")

    monkeypatch.setattr(start_check._TryingReactor, "listenTCP", fault)
    with pytest.raises(StartError, match="no way"):
        check_endpoints({"--listen": [LOCAL]})


# ---------------------------------------------------------------- what a daemon's parent says


@pytest.mark.parametrize(
    ("why", "said"),
    [
        # More than fits into a pipe at once: the end is cut off, here in the middle of a character.
        ("a" + "é" * select.PIPE_BUF, "a" + "é" * (select.PIPE_BUF // 2 - 1)),
        ("no room in /\udce9", "no room in /\\udce9"),
    ],
)
def test_a_daemons_parent_says_why_it_can_not_start_whatever_is_in_the_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], why: str, said: str
) -> None:
    daemon, parent = Launch(), Launch()
    daemon._pipe = [*os.pipe()]
    parent._pipe = [os.dup(daemon._pipe[0]), os.dup(daemon._pipe[1])]
    parent._parent = os.getpid()
    daemon.failed(why)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        parent._forked()
    assert ended.value.code == 1
    assert capfd.readouterr().err == f"chatroom: {said}\n"


# ---------------------------------------------------------------- is the Redis there?


@pytest.fixture
def answering() -> Iterator[Callable[..., RedisAddress]]:
    """Makes a server that takes one connection and answers each thing it is told in turn."""
    threads = []

    def serve(*answers: bytes) -> RedisAddress:
        listening = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listening, listening.accept()[0] as connection:
                for answer in answers:
                    connection.recv(1000)
                    for piece in answer.split(b"|"):
                        connection.sendall(piece)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        host, port = listening.getsockname()
        return RedisAddress(host=host, port=port, username="u", password="p", db=3)

    yield serve
    for thread in threads:
        thread.join()


def test_a_redis_that_lets_us_in_is_fine(
    answering: Callable[..., RedisAddress], capsys: pytest.CaptureFixture[str]
) -> None:
    master = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
    address = answering(b"+O|K\r\n", b"+OK\r\n", b"+PONG\r\n", master)
    check_redis(address, 5)
    assert capsys.readouterr().err == f"chatroom: connecting to the store at {address}\n"
    assert ":p@" not in str(address)


def test_a_redis_that_is_still_loading_will_be_waited_for(
    answering: Callable[..., RedisAddress],
) -> None:
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    check_redis(answering(loading, loading, loading, b"-NOPERM no ROLE for you\r\n"), 5)


def test_a_replica_is_refused_and_its_primary_named(
    answering: Callable[..., RedisAddress],
) -> None:
    replica = b"*5\r\n$5\r\nslave\r\n$9\r\n192.0.2.1\r\n:6380\r\n$9\r\nconnected\r\n:1\r\n"
    address = answering(b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n", replica)
    with pytest.raises(StartError, match=r"a replica of 192\.0\.2\.1:6380, .* its primary"):
        check_redis(address, 5)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([b"+OK\r\n", b"-ERR DB index is out of range\r\n"], "it says ERR DB index"),
        ([b""], "it closed the connection"),
    ],
)
def test_a_redis_that_refuses_is_said_to_with_its_reason(
    answering: Callable[..., RedisAddress], answers: list[bytes], why: str
) -> None:
    with pytest.raises(StartError, match=why):
        check_redis(answering(*answers), 5)


# ---------------------------------------------------------------- another user


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts another outcome in place of the attempt to run as that user."""

    def ends(status: int = 0, errors: str = "", error: OSError | None = None) -> None:
        def run(*_: object, **more: object) -> Any:
            if error is not None:
                raise error
            return subprocess.CompletedProcess([], status, "", errors)

        monkeypatch.setattr(subprocess, "run", run)

    return ends


def test_a_user_that_can_run_it_will_do(program: Callable[..., None]) -> None:
    program()
    check_user((os.getuid(), os.getgid()), Path("/"))


def test_a_user_that_can_not_get_at_the_program_is_refused(program: Callable[..., None]) -> None:
    program(1, "Traceback\nNo module named 'chatroom'")
    with pytest.raises(StartError, match="can't run the server: No module named 'chatroom'; put"):
        check_user((os.getuid(), os.getgid()), Path("/"))


def test_a_user_that_can_not_be_become_is_refused(program: Callable[..., None]) -> None:
    program(error=PermissionError(1, "Operation not permitted"))
    with pytest.raises(StartError, match="Operation not permitted"):
        check_user((os.getuid(), os.getgid()), Path("/"))
