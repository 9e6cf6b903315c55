"""By which names the page may be asked for: another site's name that leads here is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatroom.transports.web.addressing import Hosts
from chatroom.transports.web.site import Site
from tests.transports.web.browser import Tab

EVIL = "evil.example:8890"
LOOPBACK, NETWORK = "127.0.0.1", "203.0.113.1"

ALWAYS = [
    "localhost",
    "localhost:8890",
    "LOCALHOST.:8890",
    "chat.localhost",
    "127.0.0.1:8890",
    "192.0.2.7",
    "[::1]:8890",
    "[2001:db8::1]",
    # No browser asks without a name.
    "",
]
NEVER = [
    "[::1",
    "::1",
    "localhost evil",
    "[evil.example]",
    "localhost:x",
    "a@localhost",
    "[]",
    ":1",
]


@pytest.mark.parametrize("own", [LOOPBACK, "::1", "::ffff:127.0.0.1", NETWORK, ""])
@pytest.mark.parametrize("by_proxy", [False, True])
@pytest.mark.parametrize("names", [[], ["chat.example"]])
def test_addresses_and_localhost_are_always_taken_and_what_is_no_host_never(
    names: list[str], own: str, by_proxy: bool
) -> None:
    hosts = Hosts(names)
    assert all(hosts.allow(host, own, by_proxy=by_proxy) for host in ALWAYS)
    assert not any(hosts.allow(host, own, by_proxy=by_proxy) for host in NEVER)


@pytest.mark.parametrize(
    ("own", "by_proxy", "taken"),
    [
        (LOOPBACK, False, False),
        ("::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        (LOOPBACK, True, True),
        (NETWORK, False, True),
        # A Unix socket has no address, and no browser asks there.
        ("", False, True),
    ],
)
def test_without_a_name_given_any_is_taken_but_on_loopback(
    own: str, by_proxy: bool, taken: bool
) -> None:
    assert Hosts().allow(EVIL, own, by_proxy=by_proxy) is taken


@pytest.mark.parametrize("own", [LOOPBACK, NETWORK, ""])
@pytest.mark.parametrize("by_proxy", [False, True])
def test_names_that_are_given_are_the_only_ones(own: str, by_proxy: bool) -> None:
    hosts = Hosts(["chat.example", "other.example"])
    for host in ("chat.example", "Chat.Example.:443", "other.example:8890"):
        assert hosts.allow(host, own, by_proxy=by_proxy)
    for host in (EVIL, "a.chat.example", "chat.example.evil.example"):
        assert not hosts.allow(host, own, by_proxy=by_proxy)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/static/style.css"),
        ("POST", "/api/register"),
        ("POST", "/api/login"),
        ("GET", "/ws"),
        ("GET", "/nothing"),
    ],
)
def test_a_page_under_another_name_gets_nothing_from_here(
    make_site: Callable[..., Site], method: str, path: str
) -> None:
    tab = Tab(make_site(hosts=("chat.example",)))
    response = tab.asks(method, path, Host=EVIL, Origin=f"http://{EVIL}")
    assert response.code == 421
    assert b"--web-host" in response.body
    assert "Set-Cookie" not in response
