"""Floods against the real server: who sends them waits, and nobody else notices."""

from __future__ import annotations

import os
import resource
import socket
import subprocess

import pytest

from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Code
from tests.forked import python
from tests.system.lab import PROC, Lab, Server, environment, until
from tests.wire import PATIENCE, WireClient


def test_a_script_with_a_hundred_lines_gets_through_without_loss(lab: Lab) -> None:
    # Twice as fast as a server is by default, as the test would take twice as long.
    server = lab.server("--message-rate", "10", limited=True)
    with server.client() as listener, server.client() as guest:
        listener.enter(1)
        assert guest.register(2) == 200
        lines = [f"line {number}" for number in range(100)]
        answers = ["1", "2", "a long password"]
        for line in lines:
            answers += ["2", line]
        answers += ["4"]
        command = [*python, "-m", "chatroom", "--lang", "en"]
        ran = subprocess.run(
            [*command, "--server", f"tcp:127.0.0.1:{server.port}"],
            input="\n".join(answers) + "\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=environment(),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        heard = [listener.expect(wire.SmsMes).content for _ in lines]
        assert heard == lines
        store = listener.history()
        assert [text.content for text in store] == lines


def test_who_floods_is_closed_and_the_others_talk_on(lab: Lab) -> None:
    server = lab.server(limited=True)
    with server.client() as flooder, server.client() as one, server.client() as two:
        flooder.enter(1)
        one.enter(2)
        two.enter(3)
        flooder.send(*(wire.SmsMes(content="x", id=f"{n}") for n in range(600)))
        last = flooder.expect_end()[-1]
        assert isinstance(last, wire.ErrorMes)
        assert last.code == Code.TOO_FAST
        assert one.say("still here").code == 200
        two.hears("still here")
    assert "floods" in server.log()


def test_connections_of_one_address_are_bounded_and_say_why(lab: Lab) -> None:
    server = lab.server("--max-per-address", "3", limited=True)
    first = [server.client() for _ in range(3)]
    first[0].enter(1)
    for _ in range(20):
        with server.client() as refused:
            [why] = refused.expect_end()
            assert isinstance(why, wire.ErrorMes)
            assert (why.code, why.retry_after) == (Code.TOO_FAST, 10)
    assert first[0].is_alive()
    first[1].close()

    def comes_in() -> bool:
        with server.client() as again:
            try:
                return again.is_alive()
            except ConnectionError:
                return False

    until(comes_in)
    # Once a minute; here nobody says that none goes by.
    assert 1 <= server.log().count("Turned away") < 20
    for client in first:
        client.close()


def open_files(server: Server) -> int:
    return len(list((PROC / str(server.pid) / "fd").iterdir()))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux only")
def test_out_of_open_files_nobody_connected_is_harmed_and_the_store_still_works(lab: Lab) -> None:
    server = lab.server("--max-connections", "0")
    clients = [server.client().enter(number) for number in (1, 2)]
    one, two = clients
    most = open_files(server) + 40
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    until(lambda: "Almost all open files are in use" in server.log())
    assert one.say("hello").code == 200
    two.hears("hello")
    # What it needs itself it still gets: a store that comes back, and threads that hash.
    os.kill(server.valkey, 9)
    until(lambda: server.log().count("was ready") == 2)

    def is_stored() -> bool:
        return one.say("after that").code == 200

    until(is_stored)
    two.hears("after that")
    one.send(wire.PasswordMes(user_pwd="a long password", new_pwd="another long one"))
    assert one.expect(wire.PasswordResMes).code == 200
    assert open_files(server) < most
    for connection in crowd:
        connection.close()
    late = WireClient(server.port)
    late.enter(3)
    until(lambda: "New connections are accepted again" in server.log())
    assert server.log().count("Almost all open files are in use") == 1
    assert "EMFILE" not in server.log()
    for client in (*clients, late):
        client.close()
