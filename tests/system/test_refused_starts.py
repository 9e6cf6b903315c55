"""A start that can't work: one line that says what to do, an exit status, and no traceback."""

from __future__ import annotations

import datetime as dt
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.certificates import Issued
from tests.doubles.valkey import Valkey
from tests.forked import python
from tests.ports import deaf_port, own_port
from tests.system.lab import (
    ANY_PORT,
    TAC,
    TWISTD,
    Ended,
    Lab,
    Server,
    environment,
    processes_naming,
    until,
    works_for,
)
from tests.wire import PATIENCE

#: Runs ``twistd`` with some arguments, and gives the line that it says. As a daemon, from where an
#: error has the longer way to the one who is to see it; with ``both=True`` also in the foreground,
#: which must end alike. That is asked for once at each stage of a start: while the options or the
#: environment are read, before the reactor runs, and once it does, each in a whole interpreter.
#: The other starts are forked.
Start = Callable[..., str]


def the_line(ended: Ended) -> str:
    """What a refused start says; that it tries to reach the store may stand before it."""
    assert ended.status == 1, ended.said
    assert ended.output == ""
    lines = ended.errors.splitlines()
    if lines[0].startswith("chatroom: connecting to the store at"):
        del lines[0]
    assert len(lines) == 1, ended.said
    assert lines[0].startswith("chatroom: ")
    return lines[0]


@pytest.fixture
def start(lab: Lab, forking: None) -> Iterator[Start]:
    def start(*arguments: str, data: str = "", both: bool = False, **environ: str) -> str:
        by = () if both else python

        def foreground() -> Ended:
            env = environment(CHATROOM_DATA=data or "data-1", **environ)
            return lab.run([TWISTD, "-n", "--pidfile=", *given("data-1")], env)

        def daemon() -> Ended:
            env = environment(CHATROOM_DATA=data or "data-2", **environ)
            return lab.daemon(given("data-2"), lab.folder, env=env, by=by)[0]

        def given(own: str) -> list[str]:
            if arguments[0] != "chatroom":
                return list(arguments)
            return ["chatroom", *ANY_PORT, "--data", data or own, *arguments[1:]]

        with ThreadPoolExecutor() as pool:
            starts = [pool.submit(way) for way in (daemon, foreground)[: 1 + both]]
        lines = {the_line(ended.result()) for ended in starts}
        assert len(lines) == 1
        return lines.pop()

    yield start
    assert not list(lab.folder.glob("*.pid"))
    assert not processes_naming(str(lab.folder))


@pytest.fixture
def chatroom(start: Start) -> Start:
    """Starts a server in vain; gives the line that it says."""
    return partial(start, "chatroom")


@pytest.fixture
def answering() -> Iterator[Callable[[Callable[[socket.socket], object]], int]]:
    """A port where somebody takes connections and does what it is given with each."""
    listening: list[socket.socket] = []

    def serve(server: socket.socket, answer: Callable[[socket.socket], object]) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection)
                except OSError:
                    continue

    def answering(answer: Callable[[socket.socket], object]) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)
        threading.Thread(target=serve, args=(server, answer), daemon=True).start()
        return int(server.getsockname()[1])

    yield answering
    for server in listening:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


Answering = Callable[[Callable[[socket.socket], object]], int]


# ---------------------------------------------------------------- ports


def test_a_port_that_is_taken(chatroom: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        line = chatroom("--listen", listen, both=True)
    assert f"can't listen on {listen}: Address already in use" in line
    assert "give --listen another one" in line


def test_a_port_of_the_page_that_is_taken(chatroom: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        line = chatroom("--web", web)
    assert f"can't listen on {web}: Address already in use" in line
    assert "give --web another one" in line


def test_one_port_for_clients_and_for_the_page(chatroom: Start) -> None:
    endpoint = f"tcp:{own_port()}:interface=127.0.0.1"
    line = chatroom("--listen", endpoint, "--web", endpoint)
    assert f"can't listen on {endpoint}: Address already in use" in line
    assert "another --listen or --web has that port: give --web another one" in line


def test_a_unix_socket_in_a_folder_that_is_missing(chatroom: Start, lab: Lab) -> None:
    line = chatroom("--listen", f"unix:{lab.folder}/none/s")
    assert "none/s: No such file or directory; give --listen another one" in line


def test_an_address_that_this_machine_has_not(chatroom: Start) -> None:
    assert "can't listen on" in chatroom("--listen", "tcp:0:interface=192.0.2.1")


def test_a_key_that_does_not_belong_to_its_certificate(chatroom: Start, lab: Lab) -> None:
    key, certificate = lab.folder / "key.pem", lab.folder / "certificate.pem"
    key.write_bytes(Issued.make("localhost").key_pem)
    certificate.write_bytes(Issued.make("localhost").certificate_pem)
    line = chatroom("--listen", f"ssl:0:privateKey={key}:certKey={certificate}")
    assert "the key in privateKey= does not belong to the certificate in certKey=" in line


def test_a_key_that_is_not_there(chatroom: Start, lab: Lab) -> None:
    line = chatroom("--listen", f"ssl:0:privateKey={lab.folder}/key.pem")
    assert f"{lab.folder}/key.pem: No such file or directory" in line


def test_a_certificate_of_its_own_that_is_broken(lab: Lab) -> None:
    file = lab.folder / "data" / "tls" / "self-signed.pem"
    file.parent.mkdir(parents=True)
    file.write_text("rubbish")
    command = [TWISTD, "-n", "--pidfile=", "chatroom", *ANY_PORT, "--tls-self-signed"]
    line = the_line(lab.run([*command, "--data", str(lab.folder / "data")]))
    assert f"{file} does not hold a certificate and its key" in line


# ---------------------------------------------------------------- the data folder


def test_a_data_folder_that_is_a_file(chatroom: Start, lab: Lab) -> None:
    (lab.folder / "file").touch()
    assert "is not a folder; give --data another one" in chatroom(data="file", both=True)


def test_a_data_folder_inside_of_a_file(chatroom: Start, lab: Lab) -> None:
    (lab.folder / "file").touch()
    assert "Not a directory" in chatroom(data="file/data")


def test_a_data_folder_that_everybody_can_write_to(chatroom: Start, lab: Lab) -> None:
    (lab.folder / "open").mkdir()
    (lab.folder / "open").chmod(0o777)
    assert "give --data a folder of its own" in chatroom(data="open")


def test_a_data_folder_that_may_not_be_written(lab: Lab) -> None:
    closed = lab.folder / "closed"
    closed.mkdir(mode=0o555)
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody").pw_uid
        if not works_for(user):
            pytest.skip("root may write anywhere, and others can't get at this Python")
    command = [TWISTD, "-n", "--pidfile=", "chatroom", *ANY_PORT, "--data", str(closed)]
    line = the_line(lab.run(command, user=user, cwd="/"))
    assert "Permission denied" in line
    assert "give --data another folder" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_data_folder_of_somebody_else(lab: Lab) -> None:
    (lab.folder / "data").mkdir()
    options = ["-n", "--pidfile=", "--uid", "nobody"]
    line = the_line(lab.run([TWISTD, *options, "chatroom", *ANY_PORT, "--data", "data"]))
    assert "belongs to user root, and the server runs as nobody" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_data_folder_that_the_user_can_not_get_at(lab: Lab) -> None:
    # Nobody but root can enter the folders that lead there.
    lab.folder.chmod(0o700)
    command = [TWISTD, "--uid", "nobody", "chatroom", *ANY_PORT, "--data", "data"]
    line = the_line(lab.run(command))
    assert "user nobody can't run the server" in line
    assert "Permission denied" in line


def test_a_data_folder_that_another_server_uses(chatroom: Start, server: Server) -> None:
    line = chatroom(data=str(server.data))
    assert f"in use by the chat server with process id {server.pid}" in line
    with server.client() as client:
        assert client.is_alive()


# ---------------------------------------------------------------- once the reactor runs


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a server that was stopped, with one user who has said "kept"."""
    lab = Lab(tmp_path_factory.mktemp("sound"))
    try:
        server = lab.server()
        with server.client() as alice:
            alice.enter(100)
            assert alice.say("kept").code == 200
        server.stop()
        yield server.data
    finally:
        lab.close()


@pytest.fixture
def broken(lab: Lab, sound: Path) -> Path:
    """A data folder whose store can't load what it holds."""
    data = shutil.copytree(sound, lab.folder / "broken")
    [file] = (data / "store" / "appendonlydir").glob("*.incr.aof")
    with file.open("r+b") as opened:
        opened.write(b"rubbish")
    return data


def test_a_store_that_can_not_load_its_data_ends_a_start_in_the_foreground(
    lab: Lab, broken: Path
) -> None:
    ended = lab.run([TWISTD, "-n", "chatroom", *ANY_PORT, "--data", str(broken)])
    assert ended.status not in (0, None)
    assert "The server can't start: the private store" in ended.said
    assert "Traceback" not in ended.said


@pytest.mark.parametrize("start", ["plugin", "tac"])
def test_a_store_that_can_not_load_its_data_ends_a_daemon_and_what_started_it(
    lab: Lab, broken: Path, start: str
) -> None:
    options = ["chatroom", *ANY_PORT, "--data", str(broken)]
    env = environment(CHATROOM_DATA=str(broken), CHATROOM_LISTEN=ANY_PORT[1])
    arguments = options if start == "plugin" else ["-y", str(TAC)]
    parent, server = lab.daemon(arguments, broken, env=env)
    assert "the private store" in the_line(parent)
    assert "The server can't start: the private store" in server.log()
    until(lambda: not list(lab.folder.glob("*.pid")))
    until(lambda: not processes_naming(str(lab.folder)))


def test_a_daemon_that_is_killed_before_it_is_ready_is_no_success(
    lab: Lab, answering: Answering
) -> None:
    # A Redis that answers the first connection, which only asks, and no other.
    asked: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        asked.append(connection)
        if len(asked) == 1:
            connection.recv(4096)
            connection.sendall(b"+PONG\r\n")
            connection.recv(4096)
            connection.sendall(b"*1\r\n$6\r\nmaster\r\n")
        connection.recv(4096) and connection.recv(4096)

    redis = f"redis://127.0.0.1:{answering(answer)}"
    arguments = ["chatroom", *ANY_PORT, "--data", "data", "--redis", redis]
    pid_file = lab.folder / "early.pid"
    output, errors = lab.folder / "out", lab.folder / "err"
    command = [TWISTD, f"--pidfile={pid_file}", "--logfile=early.log", *arguments]
    parent = lab.start(command, output, errors, environment())
    until(lambda: len(asked) > 1 and pid_file.exists() and pid_file.read_text())
    assert parent.poll() is None, "it waits for its daemon"
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert parent.wait(PATIENCE) == 1
    assert errors.read_text().splitlines()[1:] == [
        "chatroom: the server ended before it was ready; see its log"
    ]


# ---------------------------------------------------------------- the store


def test_a_redis_that_is_not_there(chatroom: Start) -> None:
    with deaf_port() as port:
        line = chatroom("--redis", f"redis://127.0.0.1:{port}")
    assert f"the store at redis://127.0.0.1:{port} is out of reach: Connection refused" in line
    assert "start it, or correct --redis" in line


def test_a_socket_that_is_not_there(chatroom: Start, lab: Lab) -> None:
    line = chatroom("--redis", f"unix://{lab.folder}/redis.sock")
    assert "No such file or directory" in line


def test_a_wrong_password(chatroom: Start, valkey: Valkey) -> None:
    valkey.ask("CONFIG", "SET", "requirepass", "the right one")
    line = chatroom("--redis", f"unix://:wrong@{valkey.socket}")
    assert "it says WRONGPASS" in line
    assert ":wrong" not in line


def test_a_missing_password(chatroom: Start, valkey: Valkey) -> None:
    valkey.ask("CONFIG", "SET", "requirepass", "the right one")
    assert "it says NOAUTH" in chatroom("--redis", f"unix://{valkey.socket}")


def test_a_port_where_something_else_answers(chatroom: Start, answering: Answering) -> None:
    port = answering(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    line = chatroom("--redis", f"redis://127.0.0.1:{port}")
    assert "the server there is not a Redis" in line


def test_a_redis_that_does_not_answer(chatroom: Start, answering: Answering) -> None:
    port = answering(lambda connection: connection.recv(4096) and connection.recv(4096))
    line = chatroom("--redis", f"redis://127.0.0.1:{port}", "--store-timeout", "0.3")
    assert "is out of reach: timed out" in line


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that nobody has reason to trust, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "own.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_a_certificate_that_nobody_vouches_for(
    chatroom: Start, answering: Answering, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    port = answering(lambda connection: context.wrap_socket(connection, server_side=True))
    line = chatroom("--redis", f"rediss://localhost:{port}")
    assert re.search(r"has no valid certificate: self.signed certificate", line)


def test_no_tls_where_tls_was_asked_for(chatroom: Start, answering: Answering) -> None:
    port = answering(lambda connection: connection.sendall(b"-ERR no TLS here\r\n"))
    line = chatroom("--redis", f"rediss://localhost:{port}")
    assert f"the store at rediss://localhost:{port}" in line


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--listen", "nonsense"], "'nonsense' is not an endpoint to listen on"),
        (["--redis", "http://localhost"], "--redis: not a Redis URL"),
        (["--no-such-option"], "--no-such-option not recognized"),
        (["too much"], "chatroom --help"),
    ],
)
def test_a_bad_option(chatroom: Start, options: list[str], words: str) -> None:
    assert words in chatroom(*options)


def test_a_bad_option_ends_both_ways_of_starting_alike(chatroom: Start) -> None:
    line = chatroom("--max-frame", "many", both=True)
    assert "--max-frame: 'many' must be a whole number" in line


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("CHATROOM_LISTEN", "CHATROOM_LISTEN: 'nonsense' is not an endpoint to listen on"),
        ("CHATROOM_ARGON2", "CHATROOM_ARGON2: 'nonsense' is not passes,KiB,lanes"),
    ],
)
def test_a_bad_setting_in_the_environment(start: Start, variable: str, words: str) -> None:
    assert words in start("-y", str(TAC), both=True, **{variable: "nonsense"})


def test_the_tac_refuses_what_the_command_refuses(start: Start, server: Server) -> None:
    listen = "tcp:0:interface=127.0.0.1"
    line = start("-y", str(TAC), data=str(server.data), CHATROOM_LISTEN=listen)
    assert f"in use by the chat server with process id {server.pid}" in line


# ---------------------------------------------------------------- what looks like a failure


def test_a_start_that_is_interrupted_while_it_waits_says_nothing_frightening(
    lab: Lab, answering: Answering
) -> None:
    port = answering(lambda connection: connection.recv(4096) and connection.recv(4096))
    output, errors = lab.folder / "out", lab.folder / "err"
    options = ["chatroom", *ANY_PORT, "--data", "data", "--redis", f"redis://127.0.0.1:{port}"]
    command = [TWISTD, "-n", "--pidfile=", *options]
    process = lab.start(command, output, errors, environment())
    while "connecting to the store" not in errors.read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) != 0
    assert errors.read_text().splitlines()[-1] == "chatroom: interrupted"
    assert "Traceback" not in errors.read_text()


# ---------------------------------------------------------------- a store that holds less


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("store/appendonlydir/appendonly.aof.manifest", "check-store --repair"),
        ("store/appendonlydir/appendonly.aof.1.incr.aof", "is missing; put it back"),
        ("store", "data is gone"),
    ],
)
def test_a_store_that_would_hold_less_than_it_did(
    chatroom: Start, lab: Lab, sound: Path, lost: str, words: str
) -> None:
    data = shutil.copytree(sound, lab.folder / "data")
    aside = (data / lost).rename(lab.folder / "aside")
    if lost == "store":
        # That is found once the store runs, and the other losses before.
        command = [TWISTD, "-n", "--pidfile=", "chatroom", *ANY_PORT, "--data", str(data)]
        assert words in the_line(lab.run(command))
    assert words in chatroom(data=str(data))
    if (data / lost).is_dir():
        shutil.rmtree(data / lost)  # made anew, with nothing in it
    aside.rename(data / lost)
    again = lab.server(data=data)
    with again.client() as alice:
        alice.log_in(100)
        assert [message.content for message in alice.history()] == ["kept"]
    again.stop()
