"""Client addresses: whom to count together, and who is close by."""

import pytest

from chatroom.common import addresses


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
    ],
)
def test_who_can_take_one_address_for_another_counts_as_one(address: str, group: str) -> None:
    assert addresses.group(address) == group


@pytest.mark.parametrize(
    ("address", "loopback", "close"),
    [
        ("127.0.0.9", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("local", True, True),
        ("192.168.1.20", False, True),
        ("10.0.0.1", False, True),
        ("fd00::1", False, True),
        ("8.8.8.8", False, False),
        ("2606:4700::1", False, False),
    ],
)
def test_loopback_and_private_networks_are_close_by(
    address: str, loopback: bool, close: bool
) -> None:
    assert (addresses.is_loopback(address), addresses.is_close(address)) == (loopback, close)
