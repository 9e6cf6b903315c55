"""The site on real ports: plain, with TLS, and behind nginx and Caddy as the examples set them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread

from chatroom.delivery.direct import DirectOutbox
from chatroom.delivery.outbox import TransportOutbox
from chatroom.protocol import messages as wire
from chatroom.transports.web.addressing import Hosts, Proxies
from chatroom.transports.web.files import read_files
from chatroom.transports.web.site import Site
from tests.certificates import Issued
from tests.ports import own_port
from tests.serving import Serving, reactor
from tests.transports.web.conftest import PAGE
from tests.transports.web.real_browser import Browser
from tests.world import sms

T = TypeVar("T")

CHECKOUT = Path(__file__).parents[3]
EXAMPLES = CHECKOUT / "examples" / "proxy"
#: What the examples call the server.
BEHIND_A_PROXY = "chat.example.org"
#: Seconds for a proxy to start.
PATIENCE = 120

# Twisted hands pyOpenSSL its own kind of certificate.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")


class WebServing(Serving):
    """As `Serving`, and with the site."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._web: list[Any] = []

    async def serve(self, endpoint: str, trusted: str = "") -> int:
        """Serve the site; gives the port."""
        proxies = Proxies([ip_network(trusted)] if trusted else [])
        files = read_files(self._folder)
        hosts = Hosts([BEHIND_A_PROXY])
        site = Site(reactor, self.node, files, proxies, hosts, max_frame=65536, send_queue=1 << 20)
        port = await serverFromString(reactor, endpoint).listen(site)
        self._web.append(port)
        number: int = port.getHost().port
        return number

    async def stop(self) -> None:
        for port in self._web:
            await port.stopListening()
        await super().stop()


@pytest.fixture
def serving(folder: Path) -> Iterator[WebServing]:
    serving = WebServing(folder)
    blockon(Deferred.fromCoroutine(serving.start()))
    yield serving
    blockon(Deferred.fromCoroutine(serving.stop()))


@pytest.fixture
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    file.write_bytes(Issued.make("localhost").pem)
    return file


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Starts a program, and ends it."""
    folder = tmp_path_factory.mktemp("proxy")
    started: list[subprocess.Popen[bytes]] = []

    def start(make: Callable[[Path], list[str]]) -> Path:
        environ = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                make(folder),
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return folder / "log"

    yield start
    for process in started:
        process.terminate()
        process.wait(PATIENCE)


def in_thread(function: Callable[..., T], *arguments: object) -> Deferred[T]:
    """What waits must not do so in the reactor."""
    return deferToThread(function, *arguments)


def wait_until_it_listens(port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"it did not start: {log.read_text()}")


def two_talk(port: int, pem: Path | None) -> None:
    """Two browsers register, log in, and write to each other, much at once as well."""
    one, two = Browser(port, pem), Browser(port, pem)
    one.registers_and_logs_in(1)
    two.registers_and_logs_in(2)
    one.enters(1)
    two.enters(2)
    for number in range(20):
        one.says(sms("好" * 4000, f"id{number}"))
    for number in range(20):
        assert two.hears(wire.SmsMes).id == f"id{number}"
        assert one.hears(wire.AckMes).code == 200
    two.says(wire.HistoryMes(limit=200))
    assert len(two.hears(wire.HistoryResMes).messages) == 20
    two.closes()
    assert two.posts("session").json["code"] == 200
    assert two.posts("logout").json["code"] == 200
    one.leaves()


@ensureDeferred
async def test_browsers_talk(serving: WebServing) -> None:
    port = await serving.serve("tcp:0:interface=127.0.0.1")
    page = await in_thread(Browser(port).asks, "GET", "/")
    assert page.body == PAGE
    await in_thread(two_talk, port, None)


@ensureDeferred
async def test_the_way_out_is_the_socket_itself_and_with_tls_the_transport(
    serving: WebServing, pem: Path
) -> None:
    plain = await serving.serve("tcp:0:interface=127.0.0.1")
    tls = await serving.serve(f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}")
    for browser, kind in ((Browser(plain), DirectOutbox), (Browser(tls, pem), TransportOutbox)):
        await in_thread(browser.opens)
        assert isinstance(serving.node.sessions.all()[-1].outbox, kind)
        browser.leaves()


@ensureDeferred
async def test_with_tls_the_cookie_is_for_tls_only(serving: WebServing, pem: Path) -> None:
    port = await serving.serve(f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}")
    browser = Browser(port, pem)
    response = await in_thread(browser.registers_and_logs_in, 7)
    assert browser.cookie.startswith("__Host-chatroom=7.")
    assert response["Set-Cookie"].endswith("; Secure")
    assert response["Strict-Transport-Security"] == "max-age=31536000"
    await in_thread(two_talk, port, pem)


def nginx(port: int, redirect: int, behind: int, pem: Path) -> Callable[[Path], list[str]]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (on Debian: apt install nginx-light)")

    def make(folder: Path) -> list[str]:
        example = (EXAMPLES / "nginx.conf").read_text()
        for old, new in {
            "listen 80;": f"listen 127.0.0.1:{redirect};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "chat.example.org;": "localhost;",
            "/etc/ssl/chat.example.org.pem": str(pem),
            "/etc/ssl/chat.example.org.key": str(pem),
            "127.0.0.1:8890": f"127.0.0.1:{behind}",
        }.items():
            assert old in example
            example = example.replace(old, new)
        (folder / "example.conf").write_text(example)
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in temporary)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {paths} include {folder}/example.conf; }}\n"
        )
        return [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    return make


def caddy(port: int, behind: int, pem: Path) -> Callable[[Path], list[str]]:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed (on Debian: apt install caddy)")

    def make(folder: Path) -> list[str]:
        example = (EXAMPLES / "Caddyfile").read_text()
        for old, new in {
            "chat.example.org {": f"https://localhost:{port} {{\n\ttls {pem} {pem}",
            "127.0.0.1:8890": f"127.0.0.1:{behind}",
        }.items():
            assert old in example
            example = example.replace(old, new)
        options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n"
        (folder / "Caddyfile").write_text(options + example)
        return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]

    return make


async def check_behind_a_proxy(serving: WebServing, port: int, pem: Path) -> None:
    browser = Browser(port, pem)
    page = await in_thread(browser.asks, "GET", "/")
    assert page.body == PAGE
    assert page["Strict-Transport-Security"] == "max-age=31536000"
    response = await in_thread(browser.registers_and_logs_in, 7)
    assert browser.cookie.startswith("__Host-chatroom=7.")
    assert response["Set-Cookie"].endswith("; Secure")
    # What the client says of itself the proxy leaves out, or writes where it is not believed.
    await in_thread(lambda: browser.opens(X_Forwarded_For="203.0.113.5"))
    [session] = serving.node.sessions.all()
    assert session.address == "127.0.0.1"
    browser.leaves()
    refused = Browser(port, pem)
    origin = {"Origin": "https://evil.example"}
    response = await in_thread(lambda: refused.posts("session", **origin))
    assert response.code == 403
    await in_thread(two_talk, port, pem)


@ensureDeferred
async def test_behind_nginx(serving: WebServing, pem: Path, start: Callable[..., Path]) -> None:
    behind = await serving.serve("tcp:0:interface=127.0.0.1", trusted="127.0.0.1")
    port, redirect = own_port(), own_port()
    log = start(nginx(port, redirect, behind, pem))
    await in_thread(wait_until_it_listens, port, log)
    moved = await in_thread(Browser(redirect).asks, "GET", "/")
    assert (moved.code, moved["Location"]) == (301, "https://localhost/")
    await check_behind_a_proxy(serving, port, pem)


@ensureDeferred
async def test_behind_caddy(serving: WebServing, pem: Path, start: Callable[..., Path]) -> None:
    behind = await serving.serve("tcp:0:interface=127.0.0.1", trusted="127.0.0.1")
    port = own_port()
    log = start(caddy(port, behind, pem))
    await in_thread(wait_until_it_listens, port, log)
    await check_behind_a_proxy(serving, port, pem)


@ensureDeferred
async def test_without_trust_a_proxys_word_counts_nothing(serving: WebServing) -> None:
    port = await serving.serve("tcp:0:interface=127.0.0.1")
    browser = Browser(port)
    headers = {"X_Forwarded_For": "203.0.113.5", "X_Forwarded_Proto": "https"}
    await in_thread(lambda: browser.opens(**headers))
    [session] = serving.node.sessions.all()
    assert session.address == "127.0.0.1"
    browser.leaves()
