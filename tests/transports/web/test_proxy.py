"""Whose word for where a client is counts."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from chatroom.config.option_parsers import network
from chatroom.transports.web.addressing import Proxies

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::1")])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["2001:db8::5"], "2001:db8::5"),
        ("fd00::1", ["203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        # Each proxy adds at the right; what is left of the first stranger, the stranger made up.
        ("10.0.0.1", ["1.2.3.4, 203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.5, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        # As Azure's gateways, HAProxy and others write it.
        ("10.0.0.1", ["203.0.113.5:51234"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db8::5]:51234"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
        ("10.0.0.1", ["[::ffff:203.0.113.5]:1"], "203.0.113.5"),
        ("10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5:1, 10.0.0.2:2"], "203.0.113.5"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, _hidden"], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8::5:51234:1:2:3:4:5"], "10.0.0.1"),
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("local", ["127.0.0.1"], "local"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_no_trusted_proxy(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert PROXIES.client_of(peer, forwarded_for) == client


@pytest.mark.parametrize(
    ("peer", "forwarded_proto", "secure"),
    [
        ("10.0.0.1", ["https"], True),
        ("10.0.0.1", ["HTTPS"], True),
        ("10.0.0.1", ["http, https"], True),
        ("10.0.0.1", ["https, http"], False),
        ("10.0.0.1", ["https", "http"], False),
        ("10.0.0.1", [], False),
        ("203.0.113.9", ["https"], False),
    ],
)
def test_tls_is_what_a_trusted_proxy_says(
    peer: str, forwarded_proto: list[str], secure: bool
) -> None:
    assert PROXIES.is_secure(peer, forwarded_proto) is secure


@pytest.mark.parametrize("forwarded_for", [["unknown"], [], [""], ["_hidden:80, 10.0.0.2"]])
def test_a_proxy_that_hides_its_clients_is_told_of_once(
    forwarded_for: list[str], logged: list[str]
) -> None:
    proxies = Proxies([ip_network("10.0.0.0/8")])
    for _ in range(3):
        assert proxies.client_of("10.0.0.1", forwarded_for).startswith("10.0.0.")
    assert len(logged) == 1
    assert "The proxy 10.0.0.1 sends" in logged[0]


def test_what_strangers_send_is_not_worth_a_line(logged: list[str]) -> None:
    PROXIES.client_of("203.0.113.9", ["unknown"])
    Proxies().client_of("127.0.0.1", [])
    assert logged == []


def test_without_a_proxy_nobody_is_believed() -> None:
    assert Proxies().client_of("127.0.0.1", ["203.0.113.5"]) == "127.0.0.1"
    assert not Proxies().is_secure("127.0.0.1", ["https"])


def test_a_proxy_may_be_named_as_a_socket_for_both_versions_shows_it() -> None:
    proxies = Proxies([network("::ffff:10.0.0.0/104")])
    assert proxies.trusts("10.0.0.1")
    assert proxies.trusts("::ffff:10.0.0.1")
    assert not proxies.trusts("11.0.0.1")
