"""What the bans and mutes in force forbid: to connect from an address, to send. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import NamedTuple

from chatroom.common import addresses
from chatroom.common.clock import Clock
from chatroom.protocol import refusals
from chatroom.protocol.refusals import Refusal
from chatroom.store.records import Sanction


class _Ban(NamedTuple):
    refusal: Refusal
    ends: float


class AddressBans:
    """Banned networks, to be asked at each connection."""

    def __init__(self) -> None:
        #: By version and prefix length, the leading bits of those that are banned: few lengths
        #: are in use, so that a look costs the same for one ban and for thousands.
        self._bans: dict[tuple[int, int], dict[int, _Ban]] = {}

    def replace(self, bans: Mapping[str, Sanction], now: float) -> None:
        """These are all there are.

        :param now: in seconds, by the clock that `refusal` is asked with.
        """
        self._bans = {}
        for text, sanction in bans.items():
            network = ip_network(text)
            bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            refusal = refusals.address_banned(sanction.until, sanction.reason)
            same_length = self._bans.setdefault((network.version, network.prefixlen), {})
            same_length[bits] = _Ban(refusal, now + sanction.left)

    def refusal(self, address: str, now: float) -> Refusal | None:
        """What to tell who comes from that address; None: welcome."""
        if not self._bans or (parsed := addresses.parse(address)) is None:
            return None
        for (version, length), bans in self._bans.items():
            if version == parsed.version:
                ban = bans.get(int(parsed) >> (parsed.max_prefixlen - length))
                if ban is not None and now < ban.ends:
                    return ban.refusal
        return None


class Mute:
    """Whether what a session says is taken; it is until something else is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refusal: Refusal | None = None
        self._ends = 0.0

    def follow(self, muted: Sanction | None) -> None:
        """What the store has of it now."""
        self._refusal = None if muted is None else refusals.muted(muted.until, muted.reason)
        self._ends = self._clock.seconds() + (0 if muted is None else muted.left)

    def refusal(self) -> Refusal | None:
        """What to answer to each message; None: it is taken."""
        if self._refusal is not None and self._clock.seconds() >= self._ends:
            self._refusal = None
        return self._refusal
